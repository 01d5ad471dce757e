import assert from "node:assert/strict";
import type { ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { denied, holder, setUpDirectory, staleMs, ttlMs } from "./test-cache.ts";

const down = new Error("the key store is down");
const retryMs = 1000;

/** A directory that knows one good key, `k`, whose time is over just now; what is asked next is the test's to set. */
async function setUpStale(options: { staleMs?: number } = {}) {
  const store: { answer: () => ApiKeyStatus | Promise<ApiKeyStatus> } = { answer: () => holder("alice") };
  const directory = setUpDirectory(() => store.answer(), options);
  await directory.verdictOn("k");
  directory.asked.length = 0;
  directory.clock.ms += ttlMs + 1;
  store.answer = () => Promise.reject(down);
  return { ...directory, store };
}

describe("createKeyDirectory, while keys cannot be looked up", () => {
  for (const use of ["read", "revalidation"] as const) {
    it(`lets a good key ${use} for the stale time after its TTL, and not a millisecond longer`, async () => {
      const { clock, verdictOn } = await setUpStale();
      assert.deepEqual(await verdictOn("k", use), holder("alice"));
      clock.ms += staleMs - 1;
      assert.deepEqual(await verdictOn("k", use), holder("alice"));
      clock.ms += 1;
      await assert.rejects(verdictOn("k", use), down);
    });

    it(`lets no key ${use} beyond its TTL where no stale time is configured`, async () => {
      const { verdictOn } = await setUpStale({ staleMs: 0 });
      await assert.rejects(verdictOn("k", use), down);
    });
  }

  it("does not prolong that time by using it", async () => {
    const { clock, verdictOn } = await setUpStale();
    for (const end = clock.ms + staleMs; clock.ms < end; clock.ms += 500) await verdictOn("k");
    await assert.rejects(verdictOn("k"), down);
  });

  it("measures that time at the answer, not at the question", async () => {
    const { clock, store, verdictOn } = await setUpStale();
    const answer = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => answer.promise;
    const slow = verdictOn("k");
    clock.ms += staleMs;
    answer.reject(down);
    await assert.rejects(slow, down);
  });

  it("lets no key write on a stale verdict, and asks for each write", async () => {
    const { asked, verdictOn } = await setUpStale();
    await verdictOn("k", "read");
    await assert.rejects(verdictOn("k", "write"), down);
    await assert.rejects(verdictOn("k", "write"), down);
    assert.equal(asked.length, 3);
  });

  it("vouches for no key that it does not know as a good one", async () => {
    const { clock, store, verdictOn } = await setUpStale();
    await assert.rejects(verdictOn("unknown"), down);
    store.answer = () => denied;
    assert.deepEqual(await verdictOn("junk"), denied);
    store.answer = () => Promise.reject(down);
    clock.ms += ttlMs + 1;
    await assert.rejects(verdictOn("junk"), down);
  });

  it("asks for a good key's reads at most once a second, and again after that", async () => {
    const { asked, clock, verdictOn } = await setUpStale();
    for (let i = 0; i < 100; i++) await verdictOn("k");
    clock.ms += retryMs - 1;
    await verdictOn("k");
    assert.equal(asked.length, 1);
    clock.ms += 1;
    await verdictOn("k");
    assert.equal(asked.length, 2);
  });

  it("answers reads at once, and lets writes wait, while a lookup after one that failed is silent for a second", async () => {
    const { asked, clock, store, verdictOn } = await setUpStale();
    await verdictOn("k");
    asked.length = 0;
    clock.ms += retryMs;
    const answer = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => answer.promise;
    const early = verdictOn("k");
    clock.ms += retryMs;
    assert.deepEqual(await verdictOn("k", "read"), holder("alice"));
    assert.deepEqual(await verdictOn("k", "revalidation"), holder("alice"));
    const write = verdictOn("k", "write");
    answer.resolve(holder("bob"));
    assert.deepEqual(await Promise.all([early, write]), [holder("bob"), holder("bob")]);
    assert.equal(asked.length, 1);
  });

  it("makes reads wait for a lookup that is only slow, and takes its denial", async () => {
    const { asked, clock, store, verdictOn } = await setUpStale();
    const answer = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => answer.promise;
    const waiting = [verdictOn("k")];
    for (let i = 0; i < 10; i++) {
      clock.ms += retryMs;
      waiting.push(verdictOn("k"));
    }
    assert.deepEqual(await verdictOn("k", "revalidation"), holder("alice"));
    answer.resolve(denied);
    assert.deepEqual(await Promise.all(waiting), Array(11).fill(denied));
    assert.deepEqual(await verdictOn("k", "revalidation"), denied);
    assert.equal(asked.length, 1);
  });

  it("serves the reads that wait for a slow lookup as soon as it fails", async () => {
    const { clock, store, verdictOn } = await setUpStale();
    const answer = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => answer.promise;
    const waiting = [verdictOn("k")];
    clock.ms += 10 * retryMs;
    waiting.push(verdictOn("k"));
    answer.reject(down);
    assert.deepEqual(await Promise.all(waiting), [holder("alice"), holder("alice")]);
  });

  it("believes a lookup that is no longer than a second under way, also beside a stale verdict", async () => {
    const { clock, store, verdictOn } = await setUpStale();
    await verdictOn("k");
    clock.ms += retryMs;
    const answer = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => answer.promise;
    const waiting = [verdictOn("k")];
    clock.ms += retryMs - 1;
    waiting.push(verdictOn("k"), verdictOn("k", "revalidation"));
    answer.resolve(denied);
    assert.deepEqual(await Promise.all(waiting), [denied, denied, denied]);
  });

  it("lets nobody follow beyond the stale time while a lookup says nothing; a new read waits for it", async () => {
    const { clock, store, verdictOn } = await setUpStale();
    const answer = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => answer.promise;
    const early = verdictOn("k", "revalidation");
    clock.ms += staleMs;
    await assert.rejects(verdictOn("k", "revalidation"), /says nothing/);
    const read = verdictOn("k", "read");
    answer.resolve(holder("alice"));
    assert.deepEqual(await Promise.all([early, read]), [holder("alice"), holder("alice")]);
  });

  describe("left by everybody", () => {
    /** Leaves the lookup of `k`, `msBefore` later, and after it as many others as may go on for nobody. */
    async function leaveAll(msBefore: number) {
      const directory = await setUpStale();
      const { clock, store, verdictOn } = directory;
      const answer = Promise.withResolvers<ApiKeyStatus>();
      store.answer = () => answer.promise;
      clock.ms += msBefore;
      for (const key of ["k", ...Array.from({ length: 100 }, (_, i) => `other${i}`)]) {
        const leaving = new AbortController();
        const verdict = verdictOn(key, "read", leaving.signal);
        leaving.abort();
        await assert.rejects(verdict, { name: "AbortError" });
      }
      return { ...directory, answer };
    }

    it("learns that a good key was denied", async () => {
      const { answer, asked, cancelled, store, verdictOn } = await leaveAll(0);
      assert.deepEqual(cancelled, []);
      answer.resolve(denied);
      await answer.promise;
      store.answer = () => Promise.reject(down);
      asked.length = 0;
      assert.deepEqual(await verdictOn("k"), denied);
      assert.deepEqual(asked, []);
    });

    it("learns that a good key cannot be looked up", async () => {
      const { answer, asked, verdictOn } = await leaveAll(0);
      answer.reject(down);
      await assert.rejects(answer.promise);
      asked.length = 0;
      assert.deepEqual(await verdictOn("k"), holder("alice"));
      assert.deepEqual(asked, []);
    });

    it("cancels the lookup of a key whose stale time is over", async () => {
      const { cancelled } = await leaveAll(staleMs);
      assert.deepEqual(cancelled, ["k"]);
    });
  });

  it("takes a denial at once, and does not let the key read when the store is down once more", async () => {
    const { clock, store, verdictOn } = await setUpStale();
    await verdictOn("k");
    clock.ms += retryMs;
    store.answer = () => denied;
    assert.deepEqual(await verdictOn("k"), denied);
    assert.deepEqual(await verdictOn("k", "revalidation"), denied);
    store.answer = () => Promise.reject(down);
    clock.ms += ttlMs + 1;
    await assert.rejects(verdictOn("k"), down);
  });

  it("takes the denial that a write brings home also for reads", async () => {
    const { store, verdictOn } = await setUpStale();
    await verdictOn("k");
    store.answer = () => denied;
    assert.deepEqual(await verdictOn("k", "write"), denied);
    assert.deepEqual(await verdictOn("k", "read"), denied);
  });

  it("gives a good key its whole time again once it is confirmed", async () => {
    const { asked, clock, store, verdictOn } = await setUpStale();
    await verdictOn("k");
    clock.ms += retryMs;
    store.answer = () => holder("alice");
    await verdictOn("k", "write");
    store.answer = () => Promise.reject(down);
    asked.length = 0;
    clock.ms += ttlMs;
    await verdictOn("k", "write");
    assert.equal(asked.length, 0);
    clock.ms += staleMs;
    assert.deepEqual(await verdictOn("k"), holder("alice"));
    clock.ms += 1;
    await assert.rejects(verdictOn("k"), down);
  });

  it("does not vouch for a key that was forgotten, before or during the lookup", async () => {
    const { store, verdictOn, forget } = await setUpStale();
    const answer = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => answer.promise;
    const early = verdictOn("k");
    forget("k");
    answer.reject(down);
    await assert.rejects(early, down);
    await assert.rejects(verdictOn("k"), down);
  });

  it("takes no failure for its own that was asked for before the key was forgotten", async () => {
    const { asked, clock, store, verdictOn, forget } = await setUpStale();
    const old = Promise.withResolvers<ApiKeyStatus>();
    store.answer = () => old.promise;
    const early = verdictOn("k");
    forget("k");
    store.answer = () => holder("alice");
    await verdictOn("k");
    clock.ms += ttlMs + 1;
    old.reject(down);
    await early;
    asked.length = 0;
    store.answer = () => denied;
    assert.deepEqual(await verdictOn("k"), denied);
    assert.deepEqual(asked, ["k"]);
  });

  it("vouches for no more keys than it has room for", async () => {
    let fails = false;
    const { clock, verdictOn } = setUpDirectory((key) => (fails ? Promise.reject(down) : holder(key)), {
      maxEntries: 2,
    });
    for (const key of ["a", "b", "c"]) await verdictOn(key);
    fails = true;
    clock.ms += ttlMs + 1;
    await assert.rejects(verdictOn("a"), down);
    assert.deepEqual(await verdictOn("b"), holder("b"));
    assert.deepEqual(await verdictOn("c"), holder("c"));
  });

  it("logs once that a good key could not be confirmed, however long that lasts, and whose it is", async () => {
    const { clock, logs, store, verdictOn } = await setUpStale();
    for (let i = 0; i < 5; i++, clock.ms += retryMs) await verdictOn("k");
    assert.deepEqual(
      logs.map(({ level, event, principal, err }) => [level, event, principal, (err as Error).message]),
      [["warn", "revalidation.failed", "alice", down.message]],
    );
    store.answer = () => holder("alice");
    await verdictOn("k");
    store.answer = () => Promise.reject(down);
    clock.ms += ttlMs + 1;
    await verdictOn("k");
    assert.equal(logs.length, 2);
  });
});
