import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { JsonWriter } from "../../src/mapping/json-writer.ts";
import { epoch, readTime, timestampToJson, writeTime } from "../../src/mapping/timestamp.ts";
import { WireReader } from "../../src/mapping/wire-reader.ts";
import { textOf } from "./transcode.ts";

describe("timestampToJson", () => {
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
    it(`returns ${text} for ${seconds} s and ${nanos} ns`, () => {
      assert.equal(timestampToJson(create(TimestampSchema, { seconds, nanos })), text);
    });

  for (const [seconds, nanos] of [
    [-62135596801n, 999_999_999],
    [253402300800n, 0],
    [2n ** 63n - 1n, 0],
    [-(2n ** 63n), 0],
    [0n, -1],
    [0n, 1_000_000_000],
  ] as const)
    it(`returns undefined for ${seconds} s and ${nanos} ns`, () => {
      assert.equal(timestampToJson({ seconds, nanos }), undefined);
    });
});

const encoded = (seconds: bigint, nanos: number) =>
  toBinary(TimestampSchema, create(TimestampSchema, { seconds, nanos }));

describe("writeTime", () => {
  it("writes the text of timestampToJson", () => {
    const seconds = fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n });
    const nanos = fc.oneof(
      fc.nat(999_999_999),
      fc.nat(999).map((millis) => millis * 1_000_000),
    );
    fc.assert(
      fc.property(seconds, nanos, (seconds, nanos) => {
        const bytes = encoded(seconds, nanos);
        const time = readTime(new WireReader(bytes), bytes.length);
        assert.ok(time !== undefined);
        const out = new JsonWriter();
        writeTime(time, out);
        assert.equal(textOf(out), JSON.stringify(timestampToJson({ seconds, nanos })));
      }),
    );
  });
});

describe("readTime", () => {
  const read = (bytes: Uint8Array) => {
    const time = readTime(new WireReader(bytes), bytes.length);
    return time && timestampToJson({ seconds: BigInt(time.seconds), nanos: time.nanos });
  };

  it("returns the epoch for an empty Timestamp", () => assert.equal(read(new Uint8Array()), epoch));

  for (const [seconds, nanos] of [
    [1767603600n, 250_000_001],
    [-1n, 500_000_000],
    [253402300799n, 999_999_999],
    [253402300800n, 0],
    [-(2n ** 63n), -1],
  ] as const)
    it(`returns the same as timestampToJson for ${seconds} s and ${nanos} ns`, () => {
      assert.equal(read(encoded(seconds, nanos)), timestampToJson({ seconds, nanos }));
    });

  it("uses the last value of a repeated field, and skips unknown fields", () => {
    const unknown = new BinaryWriter().tag(1, WireType.Bit32).fixed32(9).tag(7, WireType.Varint).uint32(9);
    const bytes = Buffer.concat([encoded(7n, 7), unknown.finish(), encoded(8n, 8)]);
    assert.equal(read(bytes), "1970-01-01T00:00:08.000000008Z");
  });

  it("throws if a value exceeds the Timestamp", () => {
    const bytes = encoded(2n ** 40n, 0);
    assert.throws(() => readTime(new WireReader(bytes), bytes.length - 1), RangeError);
  });
});
