import assert from "node:assert/strict";
import type { ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { allowedAs, denied, setUpCache, staleMs, ttlMs } from "./test-cache.ts";

const down = new Error("the key store is down");
const retryMs = 1000;

/** A cache with one allowed key, "k", that has just expired. The test sets the results of further lookups. */
async function setUpStale(options: { staleMs?: number } = {}) {
  const store: { result: () => ApiKeyStatus | Promise<ApiKeyStatus> } = { result: () => allowedAs("alice") };
  const cache = setUpCache(() => store.result(), options);
  await cache.getStatus("k");
  cache.lookups.length = 0;
  cache.clock.ms += ttlMs + 1;
  store.result = () => Promise.reject(down);
  return { ...cache, store };
}

describe("createApiKeyCache, while lookups fail", () => {
  for (const use of ["read", "revalidation"] as const) {
    it(`serves a stale status to a ${use} until the end of the stale time`, async () => {
      const { clock, getStatus } = await setUpStale();
      assert.deepEqual(await getStatus("k", use), allowedAs("alice"));
      clock.ms += staleMs - 1;
      assert.deepEqual(await getStatus("k", use), allowedAs("alice"));
      clock.ms += 1;
      await assert.rejects(getStatus("k", use), down);
    });

    it(`serves no stale status to a ${use} without a stale time`, async () => {
      const { getStatus } = await setUpStale({ staleMs: 0 });
      await assert.rejects(getStatus("k", use), down);
    });
  }

  it("does not extend the stale time by use", async () => {
    const { clock, getStatus } = await setUpStale();
    for (const end = clock.ms + staleMs; clock.ms < end; clock.ms += 500) await getStatus("k");
    await assert.rejects(getStatus("k"), down);
  });

  it("measures the stale time at the end of the lookup", async () => {
    const { clock, store, getStatus } = await setUpStale();
    const result = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => result.promise;
    const slow = getStatus("k");
    clock.ms += staleMs;
    result.reject(down);
    await assert.rejects(slow, down);
  });

  it("serves no stale status to a write, and starts a lookup for each", async () => {
    const { lookups, getStatus } = await setUpStale();
    await getStatus("k", "read");
    await assert.rejects(getStatus("k", "write"), down);
    await assert.rejects(getStatus("k", "write"), down);
    assert.equal(lookups.length, 3);
  });

  it("serves no stale status of an unknown or denied key", async () => {
    const { clock, store, getStatus } = await setUpStale();
    await assert.rejects(getStatus("unknown"), down);
    store.result = () => denied;
    assert.deepEqual(await getStatus("unknown2"), denied);
    store.result = () => Promise.reject(down);
    clock.ms += ttlMs + 1;
    await assert.rejects(getStatus("unknown2"), down);
  });

  it("repeats a failed lookup for reads once a second", async () => {
    const { lookups, clock, getStatus } = await setUpStale();
    for (let i = 0; i < 100; i++) await getStatus("k");
    clock.ms += retryMs - 1;
    await getStatus("k");
    assert.equal(lookups.length, 1);
    clock.ms += 1;
    await getStatus("k");
    assert.equal(lookups.length, 2);
  });

  it("serves reads a stale status, but not writes, when the lookup after a failed one is slow", async () => {
    const { lookups, clock, store, getStatus } = await setUpStale();
    await getStatus("k");
    lookups.length = 0;
    clock.ms += retryMs;
    const result = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => result.promise;
    const early = getStatus("k");
    clock.ms += retryMs;
    assert.deepEqual(await getStatus("k", "read"), allowedAs("alice"));
    assert.deepEqual(await getStatus("k", "revalidation"), allowedAs("alice"));
    const write = getStatus("k", "write");
    result.resolve(allowedAs("bob"));
    assert.deepEqual(await Promise.all([early, write]), [allowedAs("bob"), allowedAs("bob")]);
    assert.equal(lookups.length, 1);
  });

  it("makes reads wait for a first lookup that is slow, and returns its denial", async () => {
    const { lookups, clock, store, getStatus } = await setUpStale();
    const result = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => result.promise;
    const waiting = [getStatus("k")];
    for (let i = 0; i < 10; i++) {
      clock.ms += retryMs;
      waiting.push(getStatus("k"));
    }
    assert.deepEqual(await getStatus("k", "revalidation"), allowedAs("alice"));
    result.resolve(denied);
    assert.deepEqual(await Promise.all(waiting), Array(11).fill(denied));
    assert.deepEqual(await getStatus("k", "revalidation"), denied);
    assert.equal(lookups.length, 1);
  });

  it("serves waiting reads a stale status as soon as the slow lookup fails", async () => {
    const { clock, store, getStatus } = await setUpStale();
    const result = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => result.promise;
    const waiting = [getStatus("k")];
    clock.ms += 10 * retryMs;
    waiting.push(getStatus("k"));
    result.reject(down);
    assert.deepEqual(await Promise.all(waiting), [allowedAs("alice"), allowedAs("alice")]);
  });

  it("waits up to a second for the lookup after a failed one", async () => {
    const { clock, store, getStatus } = await setUpStale();
    await getStatus("k");
    clock.ms += retryMs;
    const result = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => result.promise;
    const waiting = [getStatus("k")];
    clock.ms += retryMs - 1;
    waiting.push(getStatus("k"), getStatus("k", "revalidation"));
    result.resolve(denied);
    assert.deepEqual(await Promise.all(waiting), [denied, denied, denied]);
  });

  it("rejects a revalidation after the stale time while a lookup is slow, and lets a new read wait", async () => {
    const { clock, store, getStatus } = await setUpStale();
    const result = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => result.promise;
    const early = getStatus("k", "revalidation");
    clock.ms += staleMs;
    await assert.rejects(getStatus("k", "revalidation"), /is slow/);
    const read = getStatus("k", "read");
    result.resolve(allowedAs("alice"));
    assert.deepEqual(await Promise.all([early, read]), [allowedAs("alice"), allowedAs("alice")]);
  });

  describe("with an abandoned lookup", () => {
    /** Abandons the lookup of "k" after `msBefore`, then as many others as may continue. */
    async function leaveAll(msBefore: number) {
      const cache = await setUpStale();
      const { clock, store, getStatus } = cache;
      const result = Promise.withResolvers<ApiKeyStatus>();
      store.result = () => result.promise;
      clock.ms += msBefore;
      for (const key of ["k", ...Array.from({ length: 100 }, (_, i) => `other${i}`)]) {
        const controller = new AbortController();
        const status = getStatus(key, "read", controller.signal);
        controller.abort();
        await assert.rejects(status, { name: "AbortError" });
      }
      return { ...cache, result };
    }

    it("stores a later denial of an allowed key", async () => {
      const { result, lookups, cancelled, store, getStatus } = await leaveAll(0);
      assert.deepEqual(cancelled, []);
      result.resolve(denied);
      await result.promise;
      store.result = () => Promise.reject(down);
      lookups.length = 0;
      assert.deepEqual(await getStatus("k"), denied);
      assert.deepEqual(lookups, []);
    });

    it("stores a later failure of an allowed key", async () => {
      const { result, lookups, getStatus } = await leaveAll(0);
      result.reject(down);
      await assert.rejects(result.promise);
      lookups.length = 0;
      assert.deepEqual(await getStatus("k"), allowedAs("alice"));
      assert.deepEqual(lookups, []);
    });

    it("cancels the lookup of a key after its stale time", async () => {
      const { cancelled } = await leaveAll(staleMs);
      assert.deepEqual(cancelled, ["k"]);
    });
  });

  it("prefers a denial to the stale status, also when the store fails again", async () => {
    const { clock, store, getStatus } = await setUpStale();
    await getStatus("k");
    clock.ms += retryMs;
    store.result = () => denied;
    assert.deepEqual(await getStatus("k"), denied);
    assert.deepEqual(await getStatus("k", "revalidation"), denied);
    store.result = () => Promise.reject(down);
    clock.ms += ttlMs + 1;
    await assert.rejects(getStatus("k"), down);
  });

  it("uses the denial found by a write for reads", async () => {
    const { store, getStatus } = await setUpStale();
    await getStatus("k");
    store.result = () => denied;
    assert.deepEqual(await getStatus("k", "write"), denied);
    assert.deepEqual(await getStatus("k", "read"), denied);
  });

  it("gives an allowed key a new TTL and stale time after a successful lookup", async () => {
    const { lookups, clock, store, getStatus } = await setUpStale();
    await getStatus("k");
    clock.ms += retryMs;
    store.result = () => allowedAs("alice");
    await getStatus("k", "write");
    store.result = () => Promise.reject(down);
    lookups.length = 0;
    clock.ms += ttlMs;
    await getStatus("k", "write");
    assert.equal(lookups.length, 0);
    clock.ms += staleMs;
    assert.deepEqual(await getStatus("k"), allowedAs("alice"));
    clock.ms += 1;
    await assert.rejects(getStatus("k"), down);
  });

  it("serves no stale status of a key that was invalidated before or during the lookup", async () => {
    const { store, getStatus, invalidate } = await setUpStale();
    const result = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => result.promise;
    const early = getStatus("k");
    invalidate("k");
    result.reject(down);
    await assert.rejects(early, down);
    await assert.rejects(getStatus("k"), down);
  });

  it("ignores the failure of a lookup that started before the key was invalidated", async () => {
    const { lookups, clock, store, getStatus, invalidate } = await setUpStale();
    const old = Promise.withResolvers<ApiKeyStatus>();
    store.result = () => old.promise;
    const early = getStatus("k");
    invalidate("k");
    store.result = () => allowedAs("alice");
    await getStatus("k");
    clock.ms += ttlMs + 1;
    old.reject(down);
    await early;
    lookups.length = 0;
    store.result = () => denied;
    assert.deepEqual(await getStatus("k"), denied);
    assert.deepEqual(lookups, ["k"]);
  });

  it("serves stale statuses of at most as many keys as the cache holds", async () => {
    let fails = false;
    const { clock, getStatus } = setUpCache((key) => (fails ? Promise.reject(down) : allowedAs(key)), {
      maxEntries: 2,
    });
    for (const key of ["a", "b", "c"]) await getStatus(key);
    fails = true;
    clock.ms += ttlMs + 1;
    await assert.rejects(getStatus("a"), down);
    assert.deepEqual(await getStatus("b"), allowedAs("b"));
    assert.deepEqual(await getStatus("c"), allowedAs("c"));
  });

  it("logs one warning with the principal when the lookups of a key begin to fail", async () => {
    const { clock, logs, store, getStatus } = await setUpStale();
    for (let i = 0; i < 5; i++, clock.ms += retryMs) await getStatus("k");
    assert.deepEqual(
      logs.map(({ level, event, principal, err }) => [level, event, principal, (err as Error).message]),
      [["warn", "api_key_lookup.failed", "alice", down.message]],
    );
    store.result = () => allowedAs("alice");
    await getStatus("k");
    store.result = () => Promise.reject(down);
    clock.ms += ttlMs + 1;
    await getStatus("k");
    assert.equal(logs.length, 2);
  });
});
