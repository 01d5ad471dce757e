import assert from "node:assert/strict";
import { connectionHeaders, grpcTimeout, requestHeaders } from "../../src/grpc/metadata.ts";

describe("connectionHeaders", () => {
  for (const [endpoint, scheme, authority] of [
    ["http://[::1]:50051", "http", "[::1]:50051"],
    ["https://orchestrator.example/v1", "https", "orchestrator.example"],
  ] as const)
    it(`contains the scheme and the authority of ${endpoint}, pseudo-headers first`, () => {
      assert.deepEqual(Object.entries(connectionHeaders(new URL(endpoint))), [
        [":method", "POST"],
        [":scheme", scheme],
        [":authority", authority],
        ["content-type", "application/grpc+proto"],
        ["te", "trailers"],
      ]);
    });

  it("contains the user agent, if there is one", () => {
    const headers = connectionHeaders(new URL("http://orchestrator"), "client/1.0");
    assert.deepEqual(Object.entries(headers).at(-1), ["user-agent", "client/1.0"]);
  });
});

describe("requestHeaders", () => {
  for (const [what, metadata] of [
    [
      "a record",
      {
        "X-Name": "1",
        te: "gzip",
        "Content-Type": "text/html",
        ":path": "/x",
        "grpc-timeout": "1m",
        "User-Agent": "x",
        "grpc-encoding": "zstd",
      },
    ],
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
      assert.deepEqual(requestHeaders(10_000, metadata as Record<string, string>), {
        "x-name": "1",
        "grpc-timeout": "10000m",
      });
    });

  it("names the encoding of the message", () => {
    assert.deepEqual(requestHeaders(undefined, {}, "gzip"), { "grpc-encoding": "gzip" });
  });

  it("sends no timeout without `timeoutMs`", () => {
    assert.deepEqual(requestHeaders(undefined, undefined), {});
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
