import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { retryDelayMs } from "../../src/otlp/retry.ts";

/** An error with a detail of google.rpc.RetryInfo in these bytes. */
function errorWith(code: Code, value: Uint8Array): ConnectError {
  const error = new ConnectError("no", code);
  error.details = [{ type: "google.rpc.RetryInfo", value }];
  return error;
}

const retryInfo = (seconds: bigint, nanos: number) =>
  new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(toBinary(DurationSchema, create(DurationSchema, { seconds, nanos })))
    .finish();

describe("retryDelayMs", () => {
  const codes = Object.values(Code).filter((code) => typeof code === "number");
  const retryable = [
    Code.Canceled,
    Code.DeadlineExceeded,
    Code.Aborted,
    Code.OutOfRange,
    Code.Unavailable,
    Code.DataLoss,
  ];
  for (const code of codes)
    it(`${retryable.includes(code) ? "retries" : "does not retry"} after ${Code[code]}`, () => {
      assert.equal(retryDelayMs(new ConnectError("no", code), 1) !== undefined, retryable.includes(code));
    });

  for (const [attempt, backoffMs] of [
    [1, 500],
    [2, 1000],
    [3, 2000],
    [5, 5000],
    [2000, 5000],
  ] as const)
    it(`waits ${backoffMs} ms, a fifth more or less, after attempt ${attempt}`, () => {
      for (let i = 0; i < 50; i++) {
        const delayMs = retryDelayMs(new ConnectError("no", Code.Unavailable), attempt) ?? 0;
        assert.ok(delayMs >= 0.8 * backoffMs && delayMs <= 1.2 * backoffMs, String(delayMs));
      }
    });

  it("waits as long as the collector requests, which makes RESOURCE_EXHAUSTED retryable", () => {
    for (const code of [Code.Unavailable, Code.ResourceExhausted])
      assert.equal(retryDelayMs(errorWith(code, retryInfo(2n, 5e6)), 1), 2005);
    assert.equal(retryDelayMs(errorWith(Code.Internal, retryInfo(2n, 0)), 1), undefined);
    assert.equal(retryDelayMs(errorWith(Code.ResourceExhausted, retryInfo(-2n, 0)), 1), 0);
  });

  for (const [what, bytes] of [
    ["nothing", []],
    ["another field", [0x10, 1]],
    ["a field that is cut", [0x0a, 9, 1]],
    ["no message", [0x0a, 1, 0xff]],
    ["no protobuf", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ] as const)
    it(`takes a RetryInfo that has ${what} for none`, () => {
      const malformed = Uint8Array.from(bytes);
      assert.equal(retryDelayMs(errorWith(Code.ResourceExhausted, malformed), 1), undefined);
    });
});
