import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { KeyShares } from "../../src/load-shedding/key-shares.ts";
import { errorResponse } from "../../src/errors/error-response.ts";
import { sharedLimits } from "../../src/telemetry/metrics.ts";
import type { SharedLimit } from "../../src/telemetry/metrics.ts";

/** Shares of `limit()`, and the limits whose rejections were counted. */
function setUp(limit: () => number, share: number, of: SharedLimit = "downloads") {
  const rejected: SharedLimit[] = [];
  const shares = new KeyShares({ of, limit, share, countOverShare: (of) => rejected.push(of) });
  return { shares, rejected };
}

/** How many permits a key acquires, of 10,000. */
function acquirable(shares: KeyShares, keyHash: string): number {
  for (let count = 0; count < 10_000; count += 1) {
    try {
      shares.acquireOrThrow(keyHash);
    } catch {
      return count;
    }
  }
  return 10_000;
}

describe("KeyShares", () => {
  for (const [limit, share, most] of [
    [10_000, 0.25, 2500],
    [512, 0.25, 128],
    [100, 0.29, 29],
    [10, 0.25, 2],
    [3, 0.5, 1],
    [1, 0.25, 1],
    [3, 0.001, 1],
  ] as const)
    it(`grants each key ${most} of ${limit} with a share of ${share}`, () => {
      const { shares } = setUp(() => limit, share);
      assert.deepEqual([acquirable(shares, "a"), acquirable(shares, "b")], [most, most]);
    });

  it("follows a limit that falls and rises", () => {
    let limit = 16;
    const { shares } = setUp(() => limit, 0.25);
    assert.equal(acquirable(shares, "a"), 4);
    limit = 8;
    for (const free of [0, 0, 0, 1]) {
      assert.equal(acquirable(shares, "a"), free);
      shares.release("a");
    }
    limit = 16;
    assert.equal(acquirable(shares, "a"), 3);
  });

  it("limits nothing with a share of 1, whatever the limit is", () => {
    const { shares, rejected } = setUp(() => 1, 1);
    for (let i = 0; i < 1000; i++) shares.acquireOrThrow("a");
    assert.deepEqual(rejected, []);
  });

  it("limits no caller without a key, and stores nothing for it", async () => {
    const { shares, rejected } = setUp(() => 1, 0.25);
    for (let i = 0; i < 1000; i++) shares.acquireOrThrow(undefined);
    await shares.acquire(undefined);
    shares.release(undefined);
    assert.deepEqual([rejected, shares.size], [[], 0]);
  });

  for (const [of, what] of [
    ["event_streams", "event streams and waiting reads"],
    ["downloads", "downloads"],
    ["requests_event_stream", "requests for event streams in flight"],
    ["requests_with_body", "requests with a body in flight"],
    ["requests_other", "requests without a body in flight"],
  ] as const)
    it(`rejects one more of ${of} with 429, Retry-After and the number, and counts it`, () => {
      const { shares, rejected } = setUp(() => 8, 0.25, of);
      assert.equal(acquirable(shares, "the-hash"), 2);
      assert.throws(
        () => shares.acquireOrThrow("the-hash"),
        (error) => {
          assert.deepEqual(errorResponse(error, { isIdempotent: false }), {
            status: 429,
            headers: { "Retry-After": "5" },
            body: {
              code: "RESOURCE_EXHAUSTED",
              message: `too many ${what} with this API key: at most 2 at once; try again soon`,
              retryable: true,
            },
          });
          return true;
        },
      );
      assert.deepEqual(rejected, [of, of]);
      assert.ok(sharedLimits.includes(of));
    });

  it("stores nothing for a key that holds no permit", () => {
    const { shares } = setUp(() => 8, 0.25);
    for (let i = 0; i < 1000; i++) {
      acquirable(shares, `${i}`);
      shares.release(`${i}`);
      assert.equal(shares.size, 1);
      shares.release(`${i}`);
      assert.equal(shares.size, 0);
    }
  });

  it("serves the waiters of a key first and in the order of their calls, and does not block other keys", async () => {
    const { shares } = setUp(() => 4, 0.25);
    shares.acquireOrThrow("a");
    const served: string[] = [];
    const waits = ["first", "second"].map((name) => shares.acquire("a").then(() => served.push(name)));
    await shares.acquire("b");
    assert.deepEqual(served, []);
    shares.release("a");
    assert.throws(() => shares.acquireOrThrow("a"), { code: Code.ResourceExhausted });
    await waits[0];
    assert.deepEqual(served, ["first"]);
    shares.release("a");
    await waits[1];
    shares.release("a");
    shares.release("b");
    assert.equal(shares.size, 0);
  });
});
