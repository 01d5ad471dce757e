import assert from "node:assert/strict";
import type { KeyVerdict } from "../../src/auth/key-directory.ts";
import { denied, holder, setUpDirectory as setUp, ttlMs } from "./test-directory.ts";

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
      const answer = Promise.withResolvers<KeyVerdict>();
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
    const answer = Promise.withResolvers<KeyVerdict>();
    const { asked, verdictOn, forget } = setUp(() => answer.promise);
    const early = verdictOn("k");
    forget("k");
    answer.resolve(holder("alice"));
    assert.deepEqual(await early, holder("alice"));
    await verdictOn("k");
    assert.deepEqual(asked, ["k", "k"]);
  });

  it("believes the orchestrator's new verdict once the old one has run out", async () => {
    let verdict: KeyVerdict = holder("alice");
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
    const answer = Promise.withResolvers<KeyVerdict>();
    const { asked, verdictOn } = setUp(() => answer.promise);
    const waiting = Array.from({ length: 1000 }, () => verdictOn("k"));
    answer.resolve(holder("alice"));
    assert.equal(new Set(await Promise.all(waiting)).size, 1);
    assert.deepEqual(asked, ["k"]);
  });

  it("asks for different keys at the same time", async () => {
    const answer = Promise.withResolvers<KeyVerdict>();
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
