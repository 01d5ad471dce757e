import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { withTimeout, withIdleTimeout } from "../../src/artifacts/timeouts.ts";

const ms = 20;
const never = new AbortController().signal;

/** A source that brings what is pushed to it, and why it has failed. */
function listenedTo() {
  const source = new Readable({ read: () => undefined });
  withIdleTimeout(source, ms);
  const failure = once(source, "error").then(([error]) => (error as Error).message);
  return { source, failure };
}

const text = `the object store sent nothing for ${ms} ms`;

/**
 * Resolves when a source has failed that brings nothing. Timers of one length run out in the order in which they were
 * started: whatever began to wait before it has failed by then, and what began after it has not.
 */
async function silence(): Promise<void> {
  assert.equal(await listenedTo().failure, text);
}

describe("failOnSilence", () => {
  for (const [what, begin] of [
    ["is read from", (source: Readable) => once(source.resume(), "resume")],
    ["that nobody reads yet", () => Promise.resolve([])],
  ] as const)
    it(`lets a source fail that brings nothing and ${what}`, async () => {
      const { source, failure } = listenedTo();
      await begin(source);
      await silence();
      assert.equal(await failure, text);
    });

  it("counts anew from a byte that comes", async () => {
    const { source, failure } = listenedTo();
    await once(source.resume(), "resume");
    const over = silence();
    source.push("x");
    await over;
    assert.ok(!source.destroyed);
    assert.equal(await failure, text);
  });

  it("does not count while the reader pauses, and counts anew when it goes on", async () => {
    const { source, failure } = listenedTo();
    await once(source.resume(), "resume");
    source.pause();
    await silence();
    await silence();
    assert.ok(!source.destroyed);
    const over = silence();
    source.resume();
    await over;
    assert.ok(!source.destroyed);
    assert.equal(await failure, text);
  });

  it("keeps every byte for a reader that comes later", async () => {
    const { source } = listenedTo();
    source.push("early");
    await new Promise(setImmediate);
    source.push(null);
    assert.equal((await source.toArray()).join(""), "early");
  });

  it("keeps no timer for a source that has ended", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const { source } = listenedTo();
    await once(source.resume(), "resume");
    const before = timers();
    source.push(null);
    await once(source, "close");
    assert.equal(timers(), before - 1);
  });
});

describe("answerWithin", () => {
  /** Asks, and never gets an answer. */
  function unanswered(signal: AbortSignal) {
    const asked = Promise.withResolvers<AbortSignal>();
    const answer = withTimeout(ms, signal, (inner) => {
      asked.resolve(inner);
      return new Promise((_, reject) => inner.addEventListener("abort", () => reject(new Error("aborted"))));
    });
    return { asked: asked.promise, answer };
  }

  it("resolves to the answer, and aborts nothing after that", async () => {
    const leaving = new AbortController();
    let given: AbortSignal | undefined;
    const answer = await withTimeout(ms, leaving.signal, (signal) => {
      given = signal;
      return Promise.resolve("yes");
    });
    assert.equal(answer, "yes");
    await silence();
    leaving.abort();
    assert.equal(given?.aborted, false);
  });

  it("aborts, and says why, when no answer comes in time", async () => {
    const { asked, answer } = unanswered(never);
    await assert.rejects(answer, { message: `the object store did not answer within ${ms} ms` });
    assert.ok((await asked).aborted);
  });

  it("aborts for the reason for which its caller does", async () => {
    const leaving = new AbortController();
    const { asked, answer } = unanswered(leaving.signal);
    const reason = new Error("gone");
    leaving.abort(reason);
    await assert.rejects(answer, (error) => error === reason);
    assert.ok((await asked).aborted);
  });

  it("aborts what fails, which may have left something open", async () => {
    let given: AbortSignal | undefined;
    const failure = new Error("failed");
    const answer = withTimeout(ms, never, (signal) => {
      given = signal;
      return Promise.reject(failure);
    });
    await assert.rejects(answer, (error) => error === failure);
    assert.ok(given?.aborted);
  });

  it("asks nothing for a caller that has gone", async () => {
    const asked = withTimeout(ms, AbortSignal.abort(), () => assert.fail("it was asked"));
    await assert.rejects(asked, { name: "AbortError" });
  });
});
