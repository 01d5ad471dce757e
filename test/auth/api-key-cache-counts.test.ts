import assert from "node:assert/strict";
import { denied, holder, setUpDirectory, staleMs, ttlMs } from "./test-cache.ts";

describe("createKeyDirectory: what it counts", () => {
  it("is each question by how it was answered", async () => {
    let isUp = true;
    const { verdictOn, counts, clock } = setUpDirectory((keyHash) => {
      if (!isUp) throw new Error("unreachable");
      return keyHash === "good" ? holder("alice") : denied;
    });
    for (const keyHash of ["good", "good", "bad", "bad"]) await verdictOn(keyHash);
    assert.deepEqual(counts.splice(0), ["miss", "hit", "miss", "denied"]);

    isUp = false;
    clock.ms += ttlMs + 1;
    await verdictOn("good");
    // At once, since a lookup has just failed.
    await verdictOn("good");
    await assert.rejects(verdictOn("good", "write"));
    await assert.rejects(verdictOn("bad"));
    assert.deepEqual(counts.splice(0), ["stale", "stale", "failed", "failed"]);

    clock.ms += staleMs;
    await assert.rejects(verdictOn("good"));
    assert.deepEqual(counts, ["failed"]);
  });

  it("is a failure for a stream for which nobody vouches any more", async () => {
    const { promise } = Promise.withResolvers<never>();
    const { verdictOn, counts, clock } = setUpDirectory(() => promise);
    void verdictOn("k");
    clock.ms += 1000;
    await assert.rejects(verdictOn("k", "revalidation"));
    assert.deepEqual(counts, ["failed"]);
  });

  it("is nothing of those who have left", async () => {
    const { promise } = Promise.withResolvers<never>();
    const { verdictOn, counts } = setUpDirectory(() => promise);
    const leaving = new AbortController();
    const verdict = verdictOn("k", "read", leaving.signal);
    leaving.abort();
    await assert.rejects(verdict);
    assert.deepEqual(counts, []);
  });

  it("has as many entries as verdicts are kept", async () => {
    const { verdictOn, kept, forget } = setUpDirectory(
      (keyHash) => (keyHash.startsWith("good") ? holder("alice") : denied),
      { maxEntries: 2 },
    );
    for (const keyHash of ["good", "bad1", "bad2", "bad3"]) await verdictOn(keyHash);
    assert.deepEqual(kept(), { good: 1, denied: 2 });
    forget("good");
    assert.deepEqual(kept(), { good: 0, denied: 2 });
  });
});
