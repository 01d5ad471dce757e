import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { timeToJson } from "../../src/mapping/time.ts";

describe("timeToJson", () => {
  for (const [seconds, nanos, text] of [
    [0n, 0, "1970-01-01T00:00:00.000Z"],
    [1767603600n, 0, "2026-01-05T09:00:00.000Z"],
    [1767603600n, 250_000_000, "2026-01-05T09:00:00.250Z"],
    [1767603600n, 999_999_999, "2026-01-05T09:00:00.999999999Z"],
    [1767603600n, 1, "2026-01-05T09:00:00.000000001Z"],
    [1767603600n, 1_000_001, "2026-01-05T09:00:00.001000001Z"],
    [1767603600n, 120_000, "2026-01-05T09:00:00.000120000Z"],
    [-1n, 500_000_000, "1969-12-31T23:59:59.500Z"],
    [-62135596800n, 0, "0001-01-01T00:00:00.000Z"],
    [253402300799n, 999_000_000, "9999-12-31T23:59:59.999Z"],
  ] as const)
    it(`writes ${seconds} s and ${nanos} ns as ${text}`, () => {
      assert.equal(timeToJson(create(TimestampSchema, { seconds, nanos })), text);
    });

  it("takes an absent time for the epoch", () => {
    assert.equal(timeToJson(undefined), "1970-01-01T00:00:00.000Z");
  });
});
