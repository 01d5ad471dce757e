import assert from "node:assert/strict";
import { decideRetry, firstAttempt } from "../../src/grpc/retry.ts";
import type { StreamEnd } from "../../src/grpc/http2/index.ts";

const cancel = 8;
const enhanceYourCalm = 11;
const refusedStream = 7;

const ends = {
  notSent: { kind: "not-sent", code: 2 },
  refused: { kind: "refused", code: refusedStream },
  reset: { kind: "reset", code: cancel },
  calm: { kind: "reset", code: enhanceYourCalm },
  lost: { kind: "session-lost", code: 2 },
  brokenByAnother: { kind: "session-broken", code: 2, isOnlyStream: false },
  brokenByThis: { kind: "session-broken", code: 2, isOnlyStream: true },
} as const satisfies Record<string, StreamEnd>;

/** The decision after each of the ends, one after the other. */
function decisions(
  streamEnds: readonly StreamEnd[],
  { hasNoSideEffects = true, hasHeaders = false, maxAttempts = 2 } = {},
): string[] {
  let history = firstAttempt;
  return streamEnds.map((end) => {
    const retry = decideRetry(history, { end, hasHeaders, hasNoSideEffects, maxAttempts });
    if (retry === undefined) return "give-up";
    ({ history } = retry);
    return retry.onDedicatedSession ? "retry-on-dedicated-session" : "retry";
  });
}

describe("decideRetry", () => {
  for (const [name, expected] of [
    ["notSent", ["retry", "retry"]],
    ["refused", ["retry", "retry"]],
    ["reset", ["retry", "give-up"]],
    ["calm", ["retry", "give-up"]],
    ["lost", ["retry", "give-up"]],
    ["brokenByAnother", ["retry-on-dedicated-session", "give-up"]],
    ["brokenByThis", ["give-up", "give-up"]],
  ] as const)
    it(`decides "${expected[0]}" for a call without side effects and "${expected[1]}" for another, if it ended by ${name}`, () => {
      assert.deepEqual(decisions([ends[name]]), [expected[0]]);
      assert.deepEqual(decisions([ends[name]], { hasNoSideEffects: false }), [expected[1]]);
    });

  it("does not count the first attempt that the server has refused", () => {
    const { refused, calm, reset } = ends;
    assert.deepEqual(decisions([refused, refused, refused]), ["retry", "retry", "give-up"]);
    assert.deepEqual(decisions([calm, refused, refused]), ["retry", "retry", "give-up"]);
    assert.deepEqual(decisions([reset, refused, refused]), ["retry", "retry", "give-up"]);
    assert.deepEqual(decisions([calm, calm], { hasHeaders: true }), ["retry", "give-up"]);
  });

  it("sends a call at most four times if servers may have processed it", () => {
    const { lost } = ends;
    const all = decisions([lost, lost, lost, lost], { maxAttempts: 13 });
    assert.deepEqual(all, ["retry", "retry", "retry", "give-up"]);
  });

  it("allows two attempts on each server and one more for a call that was not sent", () => {
    const all = decisions(
      Array.from({ length: 13 }, () => ends.notSent),
      { maxAttempts: 13 },
    );
    assert.deepEqual(all.indexOf("give-up"), 12);
  });
});
