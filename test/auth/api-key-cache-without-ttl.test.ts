import assert from "node:assert/strict";
import type { ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { allowedAs, denied, setUpCache } from "./test-cache.ts";

/** A cache without a TTL whose lookups wait for the test. */
function setUp() {
  const results: PromiseWithResolvers<ApiKeyStatus>[] = [];
  const cache = setUpCache(
    () => {
      const result = Promise.withResolvers<ApiKeyStatus>();
      results.push(result);
      return result.promise;
    },
    { ttlMs: 0 },
  );
  return { ...cache, results };
}

describe("createApiKeyCache without a TTL", () => {
  for (const status of [allowedAs("alice"), denied])
    it(`looks a key up for each request, and stores nothing: ${JSON.stringify(status)}`, async () => {
      const { lookups, counts, size, getStatus } = setUpCache(() => status, { ttlMs: 0 });
      for (const use of ["read", "write", "read"] as const)
        assert.deepEqual(await getStatus("k", use), status);
      assert.deepEqual([lookups, counts], [Array(3).fill("k"), Array(3).fill("miss")]);
      assert.deepEqual(size(), { allowed: 0, denied: 0 });
    });

  it("does not use a lookup that began before the request, though it is in flight", async () => {
    const { results, getStatus } = setUp();
    const [early, late] = [getStatus("k"), getStatus("k")];
    assert.equal(results.length, 2);
    results[1]?.resolve(denied);
    results[0]?.resolve(allowedAs("alice"));
    assert.deepEqual([await early, await late], [allowedAs("alice"), denied]);
  });

  it("uses no stale status when a lookup fails, for no use", async () => {
    let fails = false;
    const { getStatus, counts } = setUpCache(
      () => (fails ? Promise.reject(new Error("unreachable")) : allowedAs("alice")),
      { ttlMs: 0 },
    );
    await getStatus("k");
    fails = true;
    for (const use of ["read", "write", "revalidation"] as const)
      await assert.rejects(getStatus("k", use), /unreachable/);
    assert.deepEqual(counts, ["miss", "failed", "failed", "failed"]);
  });

  it("shares one lookup among the revalidations of a key, also while it is slow, and none after its end", async () => {
    const { results, clock, getStatus } = setUp();
    const waiting = [getStatus("k", "revalidation")];
    for (let second = 0; second < 5; second += 1) {
      clock.ms += 1000;
      waiting.push(getStatus("k", "revalidation"));
    }
    assert.equal(results.length, 1);
    results[0]?.resolve(allowedAs("alice"));
    assert.deepEqual(await Promise.all(waiting), Array(6).fill(allowedAs("alice")));
    const next = getStatus("k", "revalidation");
    assert.equal(results.length, 2);
    results[1]?.resolve(denied);
    assert.deepEqual(await next, denied);
  });

  it("cancels the oldest of more than 100 lookups whose clients have disconnected", async () => {
    const { cancelled, getStatus } = setUp();
    for (let index = 0; index <= 100; index += 1) {
      const controller = new AbortController();
      const status = getStatus(`k${index}`, "read", controller.signal);
      controller.abort(new Error("gone"));
      await assert.rejects(status, /gone/);
    }
    assert.deepEqual(cancelled, ["k0"]);
  });
});
