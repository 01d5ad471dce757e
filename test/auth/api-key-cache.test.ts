import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { KeyUse, ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { denied, holder, setUpDirectory as setUp, ttlMs } from "./test-cache.ts";

describe("createKeyDirectory", () => {
  for (const [what, verdict] of [
    ["a good key", holder("alice")],
    ["a denial", denied],
  ] as const) {
    it(`remembers ${what} for the whole TTL and not a millisecond longer`, async () => {
      const { asked, clock, verdictOn } = setUp(() => verdict);
      assert.deepEqual(await verdictOn("k"), verdict);
      clock.ms += ttlMs;
      assert.deepEqual(await verdictOn("k"), verdict);
      assert.equal(asked.length, 1);
      clock.ms += 1;
      assert.deepEqual(await verdictOn("k"), verdict);
      assert.equal(asked.length, 2);
    });

    it(`does not prolong the life of ${what} by using it`, async () => {
      const { asked, clock, verdictOn } = setUp(() => verdict);
      for (let second = 0; second <= ttlMs / 1000; second++) {
        await verdictOn("k");
        clock.ms += 1000;
      }
      assert.equal(asked.length, 1);
      await verdictOn("k");
      assert.equal(asked.length, 2);
    });

    it(`counts the age of ${what} from the question, not from the answer`, async () => {
      const answer = Promise.withResolvers<ApiKeyStatus>();
      const { asked, clock, verdictOn } = setUp(() => answer.promise);
      const slow = verdictOn("k");
      clock.ms += ttlMs;
      answer.resolve(verdict);
      await slow;
      await verdictOn("k");
      assert.equal(asked.length, 1);
      clock.ms += 1;
      await verdictOn("k");
      assert.equal(asked.length, 2);
    });

    it(`forgets ${what} on demand`, async () => {
      const { asked, verdictOn, forget } = setUp(() => verdict);
      await verdictOn("k");
      await verdictOn("other");
      forget("k");
      await verdictOn("other");
      await verdictOn("k");
      assert.deepEqual(asked, ["k", "other", "k"]);
    });
  }

  it("does not remember the answer to a question that was asked before the key was forgotten", async () => {
    const answer = Promise.withResolvers<ApiKeyStatus>();
    const { asked, verdictOn, forget } = setUp(() => answer.promise);
    const early = verdictOn("k");
    forget("k");
    answer.resolve(holder("alice"));
    assert.deepEqual(await early, holder("alice"));
    await verdictOn("k");
    assert.deepEqual(asked, ["k", "k"]);
  });

  it("believes the orchestrator's new verdict once the old one has run out", async () => {
    let verdict: ApiKeyStatus = holder("alice");
    const { clock, verdictOn } = setUp(() => verdict);
    const later = () => (clock.ms += ttlMs + 1);
    assert.deepEqual(await verdictOn("k"), holder("alice"));
    verdict = denied;
    later();
    assert.deepEqual(await verdictOn("k"), denied);
    verdict = holder("bob");
    assert.deepEqual(await verdictOn("k"), denied);
    later();
    assert.deepEqual(await verdictOn("k"), holder("bob"));
    assert.deepEqual(await verdictOn("k"), holder("bob"));
  });

  it("asks once for a thousand requests that wait for the same key", async () => {
    const answer = Promise.withResolvers<ApiKeyStatus>();
    const { asked, verdictOn } = setUp(() => answer.promise);
    const waiting = Array.from({ length: 1000 }, () => verdictOn("k"));
    answer.resolve(holder("alice"));
    assert.equal(new Set(await Promise.all(waiting)).size, 1);
    assert.deepEqual(asked, ["k"]);
  });

  it("asks for different keys at the same time", async () => {
    const answer = Promise.withResolvers<ApiKeyStatus>();
    const { asked, verdictOn } = setUp((keyHash) => (keyHash === "slow" ? answer.promise : denied));
    const slow = verdictOn("slow");
    assert.deepEqual(await verdictOn("quick"), denied);
    answer.resolve(holder("alice"));
    assert.deepEqual(await slow, holder("alice"));
    assert.deepEqual(asked, ["slow", "quick"]);
  });

  it("fails everybody who waits for a failed lookup, and keeps nothing of it", async () => {
    const failure = new Error("unreachable");
    let fails = true;
    const { asked, logs, verdictOn } = setUp(() => (fails ? Promise.reject(failure) : holder("alice")));
    const outcomes = await Promise.allSettled(Array.from({ length: 3 }, () => verdictOn("k")));
    assert.deepEqual(outcomes, Array(3).fill({ status: "rejected", reason: failure }));
    assert.equal(asked.length, 1);
    fails = false;
    assert.deepEqual(await verdictOn("k"), holder("alice"));
    assert.deepEqual([asked.length, logs], [2, []]);
  });

  it("keeps good keys however much junk is tried, and no more junk than its bound", async () => {
    const { asked, verdictOn } = setUp((keyHash) => (keyHash.startsWith("good") ? holder(keyHash) : denied), {
      maxEntries: 10,
    });
    for (let i = 0; i < 10; i++) await verdictOn(`good${i}`);
    for (let i = 0; i < 1000; i++) await verdictOn(`junk${i}`);
    asked.length = 0;
    for (let i = 0; i < 10; i++) await verdictOn(`good${i}`);
    for (let i = 990; i < 1000; i++) await verdictOn(`junk${i}`);
    assert.deepEqual(asked, []);
    await verdictOn("junk989");
    assert.deepEqual(asked, ["junk989"]);
  });

  it("drops the good key that was not used for longest when there are too many", async () => {
    const { asked, verdictOn } = setUp(holder, { maxEntries: 2 });
    for (const key of ["a", "b", "a", "c"]) await verdictOn(key);
    assert.deepEqual(asked, ["a", "b", "c"]);
    await verdictOn("a");
    assert.equal(asked.length, 3);
    await verdictOn("b");
    assert.equal(asked.length, 4);
  });
});

describe("createKeyDirectory, when those who wait leave", () => {
  const maxAbandoned = 100;

  /** A directory whose lookups say nothing until `answer` does. */
  function setUpSilent() {
    const answer = Promise.withResolvers<ApiKeyStatus>();
    const directory = setUp(() => answer.promise, { maxEntries: 1000 });

    /** Waits for the verdict on `key`, until it leaves. */
    function wait(key: string, use: KeyUse = "read") {
      const leaving = new AbortController();
      const verdict = directory.verdictOn(key, use, leaving.signal);
      async function leave() {
        leaving.abort();
        await assert.rejects(verdict, { name: "AbortError" });
      }
      return { verdict, leave, signal: leaving.signal };
    }

    /** As many lookups as may go on for nobody. */
    async function abandonOthers() {
      for (let i = 0; i < maxAbandoned; i++) await wait(`other${i}`).leave();
    }

    return { ...directory, answer, wait, abandonOthers };
  }

  it("cancels the lookup that was left first once too many go on for nobody, and asks again after that", async () => {
    const { asked, cancelled, wait, abandonOthers } = setUpSilent();
    await wait("k").leave();
    await wait("l", "write").leave();
    assert.deepEqual(cancelled, []);
    await abandonOthers();
    assert.deepEqual(cancelled, ["k", "l"]);
    asked.length = 0;
    void wait("k");
    assert.deepEqual(asked, ["k"]);
  });

  it("keeps nothing of a lookup that it cancelled, whatever comes of it", async () => {
    const { asked, answer, wait, abandonOthers } = setUpSilent();
    await wait("k").leave();
    await abandonOthers();
    answer.resolve(holder("alice"));
    asked.length = 0;
    assert.deepEqual(await wait("k").verdict, holder("alice"));
    assert.deepEqual(asked, ["k"]);
  });

  it("does not touch those who stay, with a signal or without", async () => {
    const { asked, answer, cancelled, verdictOn, wait, abandonOthers } = setUpSilent();
    const leaving = [wait("k"), wait("l")];
    const staying = [wait("k").verdict, verdictOn("l", "revalidation")];
    for (const { leave } of leaving) await leave();
    await abandonOthers();
    assert.deepEqual(cancelled, []);
    answer.resolve(holder("alice"));
    assert.deepEqual(await Promise.all(staying), [holder("alice"), holder("alice")]);
    assert.equal(asked.length, 2 + maxAbandoned);
  });

  it("gives a lookup that was left to whoever comes next", async () => {
    const { asked, answer, cancelled, wait, abandonOthers } = setUpSilent();
    await wait("k").leave();
    const next = wait("k");
    await abandonOthers();
    assert.deepEqual(cancelled, []);
    answer.resolve(holder("alice"));
    assert.deepEqual(await next.verdict, holder("alice"));
    assert.equal(asked.length, 1 + maxAbandoned);
  });

  it("remembers the answer for which nobody has waited, and has room for others then", async () => {
    const { asked, answer, cancelled, wait, abandonOthers } = setUpSilent();
    await wait("k").leave();
    answer.resolve(denied);
    assert.deepEqual(await wait("l").verdict, denied);
    assert.deepEqual(await wait("k").verdict, denied);
    assert.deepEqual(asked, ["k", "l"]);
    await abandonOthers();
    assert.deepEqual(cancelled, []);
  });

  it("asks nobody for one who has left already", async () => {
    const { asked, verdictOn } = setUpSilent();
    await assert.rejects(verdictOn("k", "read", AbortSignal.abort()), { name: "AbortError" });
    assert.deepEqual(asked, []);
  });

  for (const outcome of ["answered", "failed"] as const)
    it(`listens to nobody any more once the lookup has ${outcome}`, async () => {
      const { answer, wait } = setUpSilent();
      const { verdict, signal } = wait("k");
      assert.equal(getEventListeners(signal, "abort").length, 1);
      if (outcome === "answered") answer.resolve(denied);
      else answer.reject(new Error("unreachable"));
      await Promise.allSettled([verdict]);
      await wait("next").verdict.catch(() => undefined);
      assert.equal(getEventListeners(signal, "abort").length, 0);
    });
});
