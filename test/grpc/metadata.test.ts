import assert from "node:assert/strict";
import { grpcTimeout, requestHeaders } from "../../src/grpc/metadata.ts";

describe("requestHeaders", () => {
  const own = {
    ":method": "POST",
    ":path": "/s/m",
    "content-type": "application/grpc+proto",
    te: "trailers",
  };

  for (const [what, metadata] of [
    ["a record", { "X-Name": "1", te: "gzip", "Content-Type": "text/html" }],
    ["Headers", new Headers({ "X-Name": "1", te: "gzip", "Content-Type": "text/html" })],
    [
      "pairs",
      [
        ["X-Name", "1"],
        ["te", "gzip"],
        ["Content-Type", "text/html"],
      ] as [string, string][],
    ],
  ] as const)
    it(`adds metadata from ${what} in lower case, and keeps the protocol's own headers`, () => {
      assert.deepEqual(requestHeaders("/s/m", 10_000, metadata as Record<string, string>), {
        ...own,
        "x-name": "1",
        "grpc-timeout": "10000m",
      });
    });

  it("sends no timeout without `timeoutMs`", () => {
    assert.deepEqual(requestHeaders("/s/m", undefined, undefined), own);
  });
});

describe("grpcTimeout", () => {
  for (const [ms, expected] of [
    [1, "1m"],
    [0.2, "1m"],
    [1500.5, "1501m"],
    [99_999_999, "99999999m"],
    [100_000_000, "100000S"],
    [100_000_001, "100001S"],
    [99_999_999_000, "99999999S"],
    [100_000_000_000, "1666667M"],
    [5_999_999_940_000, "99999999M"],
    [6_000_000_000_000, "1666667H"],
    [1e20, "99999999H"],
    [Infinity, "99999999H"],
  ] as const)
    it(`writes ${ms} ms as ${expected}`, () => {
      assert.equal(grpcTimeout(ms), expected);
    });
});
