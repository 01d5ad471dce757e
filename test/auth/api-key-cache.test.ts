import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { KeyUse, ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { allowedAs, denied, setUpCache, staleMs, ttlMs } from "./test-cache.ts";

describe("createApiKeyCache", () => {
  for (const [what, status] of [
    ["an allowed key", allowedAs("alice")],
    ["a denied key", denied],
  ] as const) {
    it(`caches ${what} for exactly the TTL`, async () => {
      const { lookups, clock, getStatus } = setUpCache(() => status);
      assert.deepEqual(await getStatus("k"), status);
      clock.ms += ttlMs;
      assert.deepEqual(await getStatus("k"), status);
      assert.equal(lookups.length, 1);
      clock.ms += 1;
      assert.deepEqual(await getStatus("k"), status);
      assert.equal(lookups.length, 2);
    });

    it(`does not extend the TTL of ${what} by use`, async () => {
      const { lookups, clock, getStatus } = setUpCache(() => status);
      for (let second = 0; second <= ttlMs / 1000; second++) {
        await getStatus("k");
        clock.ms += 1000;
      }
      assert.equal(lookups.length, 1);
      await getStatus("k");
      assert.equal(lookups.length, 2);
    });

    it(`measures the age of ${what} from the start of the lookup`, async () => {
      const result = Promise.withResolvers<ApiKeyStatus>();
      const { lookups, clock, getStatus } = setUpCache(() => result.promise);
      const slow = getStatus("k");
      clock.ms += ttlMs;
      result.resolve(status);
      await slow;
      await getStatus("k");
      assert.equal(lookups.length, 1);
      clock.ms += 1;
      await getStatus("k");
      assert.equal(lookups.length, 2);
    });

    it(`looks ${what} up again after its invalidation`, async () => {
      const { lookups, getStatus, invalidate } = setUpCache(() => status);
      await getStatus("k");
      await getStatus("other");
      invalidate("k");
      await getStatus("other");
      await getStatus("k");
      assert.deepEqual(lookups, ["k", "other", "k"]);
    });
  }

  it("does not cache the result of a lookup that started before the key was invalidated", async () => {
    const result = Promise.withResolvers<ApiKeyStatus>();
    const { lookups, getStatus, invalidate } = setUpCache(() => result.promise);
    const early = getStatus("k");
    invalidate("k");
    result.resolve(allowedAs("alice"));
    assert.deepEqual(await early, allowedAs("alice"));
    await getStatus("k");
    assert.deepEqual(lookups, ["k", "k"]);
  });

  it("returns a changed status after the TTL", async () => {
    let status: ApiKeyStatus = allowedAs("alice");
    const { clock, getStatus } = setUpCache(() => status);
    const later = () => (clock.ms += ttlMs + 1);
    assert.deepEqual(await getStatus("k"), allowedAs("alice"));
    status = denied;
    later();
    assert.deepEqual(await getStatus("k"), denied);
    status = allowedAs("bob");
    assert.deepEqual(await getStatus("k"), denied);
    later();
    assert.deepEqual(await getStatus("k"), allowedAs("bob"));
    assert.deepEqual(await getStatus("k"), allowedAs("bob"));
  });

  it("makes one lookup for a thousand concurrent requests with one key", async () => {
    const result = Promise.withResolvers<ApiKeyStatus>();
    const { lookups, getStatus } = setUpCache(() => result.promise);
    const waiting = Array.from({ length: 1000 }, () => getStatus("k"));
    result.resolve(allowedAs("alice"));
    assert.equal(new Set(await Promise.all(waiting)).size, 1);
    assert.deepEqual(lookups, ["k"]);
  });

  it("looks different keys up concurrently", async () => {
    const result = Promise.withResolvers<ApiKeyStatus>();
    const { lookups, getStatus } = setUpCache((keyHash) => (keyHash === "slow" ? result.promise : denied));
    const slow = getStatus("slow");
    assert.deepEqual(await getStatus("quick"), denied);
    result.resolve(allowedAs("alice"));
    assert.deepEqual(await slow, allowedAs("alice"));
    assert.deepEqual(lookups, ["slow", "quick"]);
  });

  it("rejects for every waiter of a failed lookup, and caches nothing", async () => {
    const failure = new Error("unreachable");
    let fails = true;
    const { lookups, logs, getStatus } = setUpCache(() =>
      fails ? Promise.reject(failure) : allowedAs("alice"),
    );
    const outcomes = await Promise.allSettled(Array.from({ length: 3 }, () => getStatus("k")));
    assert.deepEqual(outcomes, Array(3).fill({ status: "rejected", reason: failure }));
    assert.equal(lookups.length, 1);
    fails = false;
    assert.deepEqual(await getStatus("k"), allowedAs("alice"));
    assert.deepEqual([lookups.length, logs], [2, []]);
  });

  it("keeps allowed keys however many unknown ones are tried, within the bound of each cache", async () => {
    const { lookups, getStatus } = setUpCache(
      (keyHash) => (keyHash.startsWith("allowed") ? allowedAs(keyHash) : denied),
      {
        maxEntries: 10,
      },
    );
    for (let i = 0; i < 10; i++) await getStatus(`allowed${i}`);
    for (let i = 0; i < 1000; i++) await getStatus(`unknown${i}`);
    lookups.length = 0;
    for (let i = 0; i < 10; i++) await getStatus(`allowed${i}`);
    for (let i = 990; i < 1000; i++) await getStatus(`unknown${i}`);
    assert.deepEqual(lookups, []);
    await getStatus("unknown989");
    assert.deepEqual(lookups, ["unknown989"]);
  });

  it("evicts the allowed key that was used least recently", async () => {
    const { lookups, getStatus } = setUpCache(allowedAs, { maxEntries: 2 });
    for (const key of ["a", "b", "a", "c"]) await getStatus(key);
    assert.deepEqual(lookups, ["a", "b", "c"]);
    await getStatus("a");
    assert.equal(lookups.length, 3);
    await getStatus("b");
    assert.equal(lookups.length, 4);
  });
});

describe("createApiKeyCache, when waiters leave", () => {
  const maxAbandoned = 100;

  /** A cache whose lookups stay pending until the test resolves `result`. */
  function setUpPending() {
    const result = Promise.withResolvers<ApiKeyStatus>();
    const cache = setUpCache(() => result.promise, { maxEntries: 1000 });

    /** Waits for the status of `key` until `leave` is called. */
    function wait(key: string, use: KeyUse = "read") {
      const controller = new AbortController();
      const status = cache.getStatus(key, use, controller.signal);
      async function leave() {
        controller.abort();
        await assert.rejects(status, { name: "AbortError" });
      }
      return { status, leave, signal: controller.signal };
    }

    /** Abandons as many lookups as may continue. */
    async function abandonOthers() {
      for (let i = 0; i < maxAbandoned; i++) await wait(`other${i}`).leave();
    }

    return { ...cache, result, wait, abandonOthers };
  }

  it("cancels the lookup abandoned first when there are too many, and starts a new one on the next use", async () => {
    const { lookups, cancelled, wait, abandonOthers } = setUpPending();
    await wait("k").leave();
    await wait("l", "write").leave();
    assert.deepEqual(cancelled, []);
    await abandonOthers();
    assert.deepEqual(cancelled, ["k", "l"]);
    lookups.length = 0;
    void wait("k");
    assert.deepEqual(lookups, ["k"]);
  });

  it("does not cache the result of a cancelled lookup", async () => {
    const { lookups, result, wait, abandonOthers } = setUpPending();
    await wait("k").leave();
    await abandonOthers();
    result.resolve(allowedAs("alice"));
    lookups.length = 0;
    assert.deepEqual(await wait("k").status, allowedAs("alice"));
    assert.deepEqual(lookups, ["k"]);
  });

  it("does not cancel a lookup that others still wait for, with a signal or without", async () => {
    const { lookups, result, cancelled, getStatus, wait, abandonOthers } = setUpPending();
    const leaving = [wait("k"), wait("l")];
    const staying = [wait("k").status, getStatus("l", "revalidation")];
    for (const { leave } of leaving) await leave();
    await abandonOthers();
    assert.deepEqual(cancelled, []);
    result.resolve(allowedAs("alice"));
    assert.deepEqual(await Promise.all(staying), [allowedAs("alice"), allowedAs("alice")]);
    assert.equal(lookups.length, 2 + maxAbandoned);
  });

  it("shares an abandoned lookup with the next request", async () => {
    const { lookups, result, cancelled, wait, abandonOthers } = setUpPending();
    await wait("k").leave();
    const next = wait("k");
    await abandonOthers();
    assert.deepEqual(cancelled, []);
    result.resolve(allowedAs("alice"));
    assert.deepEqual(await next.status, allowedAs("alice"));
    assert.equal(lookups.length, 1 + maxAbandoned);
  });

  it("caches the result of an abandoned lookup, which then no longer counts as one", async () => {
    const { lookups, result, cancelled, wait, abandonOthers } = setUpPending();
    await wait("k").leave();
    result.resolve(denied);
    assert.deepEqual(await wait("l").status, denied);
    assert.deepEqual(await wait("k").status, denied);
    assert.deepEqual(lookups, ["k", "l"]);
    await abandonOthers();
    assert.deepEqual(cancelled, []);
  });

  it("makes no lookup when the signal is aborted already", async () => {
    const { lookups, getStatus } = setUpPending();
    await assert.rejects(getStatus("k", "read", AbortSignal.abort()), { name: "AbortError" });
    assert.deepEqual(lookups, []);
  });

  for (const outcome of ["succeeded", "failed"] as const)
    it(`removes its abort listener once the lookup has ${outcome}`, async () => {
      const { result, wait } = setUpPending();
      const { status, signal } = wait("k");
      assert.equal(getEventListeners(signal, "abort").length, 1);
      if (outcome === "succeeded") result.resolve(denied);
      else result.reject(new Error("unreachable"));
      await Promise.allSettled([status]);
      await wait("next").status.catch(() => undefined);
      assert.equal(getEventListeners(signal, "abort").length, 0);
    });
});

describe("createApiKeyCache, count and size", () => {
  it("counts each result of getStatus", async () => {
    let isUp = true;
    const { getStatus, counts, clock } = setUpCache((keyHash) => {
      if (!isUp) throw new Error("unreachable");
      return keyHash === "allowed" ? allowedAs("alice") : denied;
    });
    for (const keyHash of ["allowed", "allowed", "bad", "bad"]) await getStatus(keyHash);
    assert.deepEqual(counts.splice(0), ["miss", "hit", "miss", "denied"]);

    isUp = false;
    clock.ms += ttlMs + 1;
    await getStatus("allowed");
    // A lookup has just failed, so there is no new one.
    await getStatus("allowed");
    await assert.rejects(getStatus("allowed", "write"));
    await assert.rejects(getStatus("bad"));
    assert.deepEqual(counts.splice(0), ["stale", "stale", "failed", "failed"]);

    clock.ms += staleMs;
    await assert.rejects(getStatus("allowed"));
    assert.deepEqual(counts, ["failed"]);
  });

  it("counts a revalidation that no status is available for as failed", async () => {
    const { promise } = Promise.withResolvers<never>();
    const { getStatus, counts, clock } = setUpCache(() => promise);
    void getStatus("k");
    clock.ms += 1000;
    await assert.rejects(getStatus("k", "revalidation"));
    assert.deepEqual(counts, ["failed"]);
  });

  it("counts nothing for a request whose signal aborts", async () => {
    const { promise } = Promise.withResolvers<never>();
    const { getStatus, counts } = setUpCache(() => promise);
    const controller = new AbortController();
    const status = getStatus("k", "read", controller.signal);
    controller.abort();
    await assert.rejects(status);
    assert.deepEqual(counts, []);
  });

  it("returns the number of cached statuses", async () => {
    const { getStatus, size, invalidate } = setUpCache(
      (keyHash) => (keyHash.startsWith("allowed") ? allowedAs("alice") : denied),
      { maxEntries: 2 },
    );
    for (const keyHash of ["allowed", "bad1", "bad2", "bad3"]) await getStatus(keyHash);
    assert.deepEqual(size(), { allowed: 1, denied: 2 });
    invalidate("allowed");
    assert.deepEqual(size(), { allowed: 0, denied: 2 });
  });
});
