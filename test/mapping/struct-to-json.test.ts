import assert from "node:assert/strict";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import type { JsonObject } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { writeStruct, writeStructInSlices } from "../../src/mapping/struct-to-json.ts";
import { struct } from "./arbitraries.ts";
import { seededRandom, reencoded } from "./reencoded.ts";
import { structFromJson } from "./struct-bytes.ts";
import { textOf, transcode, transcodeInSlices } from "./transcode.ts";

/** The encoding by protobuf's own library. */
const encoded = (object: JsonObject) => toBinary(StructSchema, fromJson(StructSchema, object));

/** The value after a round trip through JSON text, where -0 becomes 0. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const jsonText = (bytes: Uint8Array) => textOf(transcode({ write: writeStruct }, bytes));

/** A Struct with one entry, `a`, whose Value has these bytes. */
function structOf(...value: Uint8Array[]): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string("a");
  return writer.tag(2, WireType.LengthDelimited).bytes(Buffer.concat(value)).join().finish();
}

const field = (number: number, wireType: WireType) => new BinaryWriter().tag(number, wireType);
const number = (value: number) => field(2, WireType.Bit64).double(value).finish();
const string = (value: string) => field(3, WireType.LengthDelimited).string(value).finish();

/** `{"a":[{"a":[…]}]}`, this many levels deep. */
function nestedObject(levels: number): JsonObject {
  let object: JsonObject = {};
  for (let level = 2; level < levels; level += 2) object = { a: [object] };
  return object;
}

describe("writeStruct", () => {
  it("writes the same value as protobuf's own library, identical for all encodings", () => {
    fc.assert(
      fc.property(struct, fc.integer(), (object, seed) => {
        const bytes = encoded(object);
        const text = jsonText(reencoded(StructSchema, bytes, seededRandom(seed)));
        assert.deepEqual(JSON.parse(text), plain(object));
        assert.equal(jsonText(bytes), text);
        assert.equal(jsonText(structFromJson(object)), text);
      }),
    );
  });

  it("sorts keys, and writes the last value of a repeated key", () => {
    const bytes = Buffer.concat([
      encoded({ b: 1, "10": 2, "9": 3 }),
      encoded({ a: 4, b: { d: 5, c: 6 } }),
      encoded({ "\u2028": "\x85" }),
    ]);
    assert.equal(jsonText(bytes), '{"10":2,"9":3,"a":4,"b":{"c":6,"d":5},"\\u2028":"\\u0085"}');
  });

  for (const value of [NaN, Infinity, -Infinity])
    it(`writes ${value} as null`, () => assert.equal(jsonText(structOf(number(value))), '{"a":null}'));

  for (const [value, json] of [
    [-0, "0"],
    [5e-324, "5e-324"],
    [1e21, "1e+21"],
    [0.1, "0.1"],
  ] as const)
    it(`writes the number ${value} as ${json}`, () => {
      assert.equal(jsonText(structOf(number(value))), `{"a":${json}}`);
    });

  it("writes null for a null, an unknown kind and no kind", () => {
    const unknown = field(9, WireType.LengthDelimited).string("later").finish();
    for (const value of [field(1, WireType.Varint).int32(0).finish(), new Uint8Array(), unknown])
      assert.equal(jsonText(structOf(value)), '{"a":null}');
    const noValue = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
    noValue.tag(1, WireType.LengthDelimited).string("a").join();
    assert.equal(jsonText(noValue.finish()), '{"a":null}');
  });

  it("uses the last known kind of a value that has several", () => {
    assert.equal(jsonText(structOf(number(1), string("x"))), '{"a":"x"}');
    assert.equal(jsonText(structOf(string("x"), number(1))), '{"a":1}');
    const unknown = field(9, WireType.Varint).uint32(1).finish();
    assert.equal(jsonText(structOf(number(1), unknown)), '{"a":1}');
  });

  for (const [what, value] of [
    ["a number as a varint", field(2, WireType.Varint).uint32(1)],
    ["a number of four bytes", field(2, WireType.Bit32).fixed32(1)],
    ["a string as a varint", field(3, WireType.Varint).uint32(1)],
    ["a boolean of eight bytes", field(4, WireType.Bit64).double(1)],
    ["an object as a varint", field(5, WireType.Varint).uint32(0)],
    ["a list of four bytes", field(6, WireType.Bit32).fixed32(0)],
  ] as const)
    it(`skips ${what}`, () => {
      assert.equal(
        jsonText(Buffer.concat([structOf(value.finish()), encoded({ b: 1 })])),
        '{"a":null,"b":1}',
      );
    });

  it("writes 100 levels, and throws a RangeError for 1000", () => {
    assert.deepEqual(JSON.parse(jsonText(structFromJson(nestedObject(100)))), nestedObject(100));
    assert.throws(() => jsonText(structFromJson(nestedObject(1000))), RangeError);
  });

  it("throws if a key or a value exceeds its message", () => {
    const bytes = structOf(string("text"));
    for (let length = 1; length < bytes.length; length += 1)
      assert.throws(() => jsonText(bytes.subarray(0, length)), RangeError);
  });
});

describe("writeStructInSlices", () => {
  const json = { write: writeStruct, writeInSlices: writeStructInSlices };
  const mebibyte = 1024 * 1024;

  /** A Struct with these keys, each with a distinct number. */
  function structWith(keys: readonly string[]): Uint8Array {
    const writer = new BinaryWriter();
    for (const [index, key] of keys.entries()) {
      writer.tag(1, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(key);
      writer.tag(2, WireType.LengthDelimited).bytes(number(index)).join();
    }
    return writer.finish();
  }

  const count = 60_000;
  /** `count` keys in pseudorandom order, which repeat if `distinct` is less than `count`. */
  const keysOf = (distinct: number) =>
    Array.from({ length: count }, (_, index) => `é${((index * 48_271) % distinct).toString(36)}`);
  const nest = (levels: number, inner: JsonObject): JsonObject =>
    levels === 0 ? inner : { before: 1, nested: nest(levels - 1, inner), under: [null] };
  const many = { list: Array.from({ length: 100_000 }, (_, index) => index) };

  for (const [what, bytes] of [
    ["unsorted keys", structWith(keysOf(count))],
    ["repeated keys", structWith(keysOf(7919))],
    ["sorted keys", structWith(keysOf(count).sort())],
    ["a long list", encoded(many)],
    ["a long list of objects", encoded({ list: Array.from({ length: 50_000 }, () => ({ a: [1] })) })],
    ["a long list, deeply nested", encoded(nest(20, many))],
    ["one long string", encoded({ text: "ATOM  1  N   GLY A   1\n".repeat(50_000) })],
    ["one long string of characters of several bytes", encoded({ text: `A${"\u2028漢🧬".repeat(110_000)}` })],
    ["long strings in a list", encoded({ list: Array.from({ length: 20 }, () => "A".repeat(100_000)) })],
  ] as const) {
    it(`writes the same as writeStruct, in short slices, for ${what}`, () => {
      assert.ok(bytes.length > mebibyte);
      const { text, slices } = transcodeInSlices(json, bytes);
      assert.equal(textOf(text), textOf(transcode(json, bytes)));
      assert.ok(slices > bytes.length / (128 * 1024), `${slices} slices for ${bytes.length} bytes`);
    });
  }

  it("throws for a Struct that is nested too deep, and for a value that exceeds its list", () => {
    const wide = encoded(many);
    let deep: Uint8Array = wide;
    for (let level = 0; level < 250; level += 1) {
      deep = structOf(new BinaryWriter().tag(5, WireType.LengthDelimited).bytes(deep).finish());
    }
    assert.throws(() => transcodeInSlices(json, deep), /nested deeper/);
    assert.throws(() => transcodeInSlices(json, wide.subarray(0, -1)), RangeError);
  });
});
