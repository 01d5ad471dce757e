import assert from "node:assert/strict";
import { decideRetry } from "../../src/grpc/retry.ts";
import type { RetryDecision } from "../../src/grpc/retry.ts";
import type { StreamEnd } from "../../src/grpc/session.ts";

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

/** What is decided after each end in turn. */
function decisions(
  turn: readonly StreamEnd[],
  { isIdempotent = true, hasHeaders = false, maxAttempts = 2 } = {},
): RetryDecision[] {
  const history = { attempts: 1, losses: 0, wasTurnedAway: false };
  return turn.map((end) => decideRetry(history, { end, hasHeaders, isIdempotent, maxAttempts }));
}

describe("decideRetry", () => {
  for (const [name, expected] of [
    ["notSent", ["retry", "retry"]],
    ["refused", ["retry", "retry"]],
    ["reset", ["retry", "give-up"]],
    ["calm", ["retry", "give-up"]],
    ["lost", ["retry", "give-up"]],
    ["brokenByAnother", ["retry-on-own-session", "give-up"]],
    ["brokenByThis", ["give-up", "give-up"]],
  ] as const)
    it(`returns "${expected[0]}" for an idempotent call and "${expected[1]}" for another, if it ended by ${name}`, () => {
      assert.deepEqual(decisions([ends[name]]), [expected[0]]);
      assert.deepEqual(decisions([ends[name]], { isIdempotent: false }), [expected[1]]);
    });

  it("does not count the first attempt that the server has rejected", () => {
    const { refused, calm, reset } = ends;
    assert.deepEqual(decisions([refused, refused, refused]), ["retry", "retry", "give-up"]);
    assert.deepEqual(decisions([calm, refused, refused]), ["retry", "retry", "give-up"]);
    assert.deepEqual(decisions([reset, refused, refused]), ["retry", "retry", "give-up"]);
    assert.deepEqual(decisions([calm, calm], { hasHeaders: true }), ["retry", "give-up"]);
  });

  it("sends a call four times at most that servers may have processed", () => {
    const { lost } = ends;
    const all = decisions([lost, lost, lost, lost], { maxAttempts: 13 });
    assert.deepEqual(all, ["retry", "retry", "retry", "give-up"]);
  });

  it("retries a call that was not sent on every server, twice", () => {
    const all = decisions(
      Array.from({ length: 13 }, () => ends.notSent),
      { maxAttempts: 13 },
    );
    assert.deepEqual(all.indexOf("give-up"), 12);
  });
});
