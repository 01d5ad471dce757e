import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { defaultRetryPolicy, isRetryable } from "../../src/events/retry-policy.ts";

describe("defaultRetryPolicy", () => {
  it("backs off from 0.1 s, doubling to 5 s, with jitter", () => {
    for (const [n, longest] of [
      [0, 100],
      [1, 200],
      [5, 3200],
      [6, 5000],
      [50, 5000],
    ] as const) {
      const waits = Array.from({ length: 50 }, () => defaultRetryPolicy.backoffMs(n));
      assert.ok(waits.every((ms) => ms >= longest / 2 && ms <= longest));
      assert.ok(new Set(waits).size > 1);
    }
  });
});

describe("isRetryable", () => {
  for (const code of Object.values(Code).filter((code) => typeof code === "number")) {
    const expected = [Code.Unavailable, Code.Aborted, Code.DeadlineExceeded].includes(code);
    it(`returns ${expected} for ${Code[code]}`, () =>
      assert.equal(isRetryable(new ConnectError("x", code)), expected));
  }
  it("returns false for other errors", () => {
    assert.equal(isRetryable(new Error("unavailable")), false);
    assert.equal(isRetryable(undefined), false);
  });
});
