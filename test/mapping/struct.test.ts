import assert from "node:assert/strict";
import { fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import type { JsonObject } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { structFromJson } from "../../src/mapping/struct-from-json.ts";
import { writeStruct, writeStructInSteps } from "../../src/mapping/struct.ts";
import { runSync } from "../../src/load-shedding/task-queue.ts";
import { struct } from "./arbitraries.ts";
import { randomOf, scrambled } from "./scrambled.ts";
import { stringOf, written, writtenInSteps } from "./written.ts";

/** As protobuf's own library writes it. */
const encoded = (object: JsonObject) => toBinary(StructSchema, fromJson(StructSchema, object));

/** As JSON readers see it: -0 is 0. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const textOf = (bytes: Uint8Array) => stringOf(written({ write: writeStruct }, bytes));

/** A Struct of one entry, `a`, whose Value has these bytes. */
function structOf(...value: Uint8Array[]): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string("a");
  return writer.tag(2, WireType.LengthDelimited).bytes(Buffer.concat(value)).join().finish();
}

const field = (number: number, wireType: WireType) => new BinaryWriter().tag(number, wireType);
const number = (value: number) => field(2, WireType.Bit64).double(value).finish();
const string = (value: string) => field(3, WireType.LengthDelimited).string(value).finish();

/** `{"a":[{"a":[…]}]}` and so on, so many levels deep. */
function tower(levels: number): JsonObject {
  let object: JsonObject = {};
  for (let level = 2; level < levels; level += 2) object = { a: [object] };
  return object;
}

describe("structFromJson", () => {
  it("makes what protobuf reads as the same object", () => {
    fc.assert(
      fc.property(struct, (object) => {
        const message = fromBinary(StructSchema, runSync(structFromJson(object)));
        assert.deepEqual(plain(toJson(StructSchema, message)), plain(object));
      }),
    );
  });

  it("keeps every kind of value, and keys that objects have by themselves", () => {
    const object: JsonObject = JSON.parse(
      '{"__proto__":{"x":1},"null":null,"no":false,"yes":true,"n":-1.5e300,"s":"é🧬","l":[[],{}],"o":{"":0}}',
    );
    assert.deepEqual(JSON.parse(textOf(runSync(structFromJson(object)))), object);
  });
});

describe("writeStruct", () => {
  it("writes what protobuf reads of a Struct, in one text for all encodings", () => {
    fc.assert(
      fc.property(struct, fc.integer(), (object, seed) => {
        const bytes = encoded(object);
        const text = textOf(scrambled(StructSchema, bytes, randomOf(seed)));
        assert.deepEqual(JSON.parse(text), plain(object));
        assert.equal(textOf(bytes), text);
        assert.equal(textOf(runSync(structFromJson(object))), text);
      }),
    );
  });

  it("writes keys in their order, and the last value of one that comes again", () => {
    const bytes = Buffer.concat([
      encoded({ b: 1, "10": 2, "9": 3 }),
      encoded({ a: 4, b: { d: 5, c: 6 } }),
      encoded({ "\u2028": "\x85" }),
    ]);
    assert.equal(textOf(bytes), '{"10":2,"9":3,"a":4,"b":{"c":6,"d":5},"\\u2028":"\\u0085"}');
  });

  for (const value of [NaN, Infinity, -Infinity])
    it(`writes ${value} as null`, () => assert.equal(textOf(structOf(number(value))), '{"a":null}'));

  for (const [value, json] of [
    [-0, "0"],
    [5e-324, "5e-324"],
    [1e21, "1e+21"],
    [0.1, "0.1"],
  ] as const)
    it(`writes the number ${value} as ${json}`, () => {
      assert.equal(textOf(structOf(number(value))), `{"a":${json}}`);
    });

  it("writes a null, a value of no kind and one of an unknown kind as null", () => {
    const unknown = field(9, WireType.LengthDelimited).string("later").finish();
    for (const value of [field(1, WireType.Varint).int32(0).finish(), new Uint8Array(), unknown])
      assert.equal(textOf(structOf(value)), '{"a":null}');
    const noValue = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
    noValue.tag(1, WireType.LengthDelimited).string("a").join();
    assert.equal(textOf(noValue.finish()), '{"a":null}');
  });

  it("takes the last kind that it knows of a value that has several", () => {
    assert.equal(textOf(structOf(number(1), string("x"))), '{"a":"x"}');
    assert.equal(textOf(structOf(string("x"), number(1))), '{"a":1}');
    const unknown = field(9, WireType.Varint).uint32(1).finish();
    assert.equal(textOf(structOf(number(1), unknown)), '{"a":1}');
  });

  for (const [what, value] of [
    ["a number as a varint", field(2, WireType.Varint).uint32(1)],
    ["a number of four bytes", field(2, WireType.Bit32).fixed32(1)],
    ["a string as a varint", field(3, WireType.Varint).uint32(1)],
    ["a boolean of eight bytes", field(4, WireType.Bit64).double(1)],
    ["an object as a varint", field(5, WireType.Varint).uint32(0)],
    ["a list of four bytes", field(6, WireType.Bit32).fixed32(0)],
  ] as const)
    it(`passes over ${what}`, () => {
      assert.equal(textOf(Buffer.concat([structOf(value.finish()), encoded({ b: 1 })])), '{"a":null,"b":1}');
    });

  it("writes 100 levels, and throws a RangeError where there are thousands", () => {
    assert.deepEqual(JSON.parse(textOf(runSync(structFromJson(tower(100))))), tower(100));
    assert.throws(() => textOf(runSync(structFromJson(tower(1000)))), RangeError);
  });

  it("throws where a key or a value is longer than what it is in", () => {
    const bytes = structOf(string("text"));
    for (let length = 1; length < bytes.length; length += 1)
      assert.throws(() => textOf(bytes.subarray(0, length)), RangeError);
  });
});

describe("writeStructInSteps", () => {
  const json = { write: writeStruct, writeInSteps: writeStructInSteps };
  const mebibyte = 1024 * 1024;

  /** A Struct of entries with these keys, each with a number of its own, and so large that it takes many steps. */
  function structWith(keys: readonly string[]): Uint8Array {
    const writer = new BinaryWriter();
    for (const [index, key] of keys.entries()) {
      writer.tag(1, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(key);
      writer.tag(2, WireType.LengthDelimited).bytes(number(index)).join();
    }
    return writer.finish();
  }

  const count = 60_000;
  /** In an order that looks random, and more than once where `distinct` is less than `count`. */
  const keysOf = (distinct: number) =>
    Array.from({ length: count }, (_, index) => `é${((index * 48_271) % distinct).toString(36)}`);
  const nest = (levels: number, inner: JsonObject): JsonObject =>
    levels === 0 ? inner : { before: 1, nested: nest(levels - 1, inner), under: [null] };
  const many = { list: Array.from({ length: 100_000 }, (_, index) => index) };

  for (const [what, bytes] of [
    ["keys in another order", structWith(keysOf(count))],
    ["keys that come again", structWith(keysOf(7919))],
    ["keys in order", structWith(keysOf(count).sort())],
    ["a long list", encoded(many)],
    ["a long list of objects", encoded({ list: Array.from({ length: 50_000 }, () => ({ a: [1] })) })],
    ["a long list far inside", encoded(nest(20, many))],
    ["long texts in a list", encoded({ list: Array.from({ length: 20 }, () => "A".repeat(100_000)) })],
  ] as const) {
    it(`writes the same as in one go, in steps that are short, for ${what}`, () => {
      assert.ok(bytes.length > mebibyte);
      const { text, steps } = writtenInSteps(json, bytes);
      assert.equal(stringOf(text), stringOf(written(json, bytes)));
      assert.ok(steps > bytes.length / (128 * 1024), `${steps} steps for ${bytes.length} bytes`);
    });
  }

  it("refuses what is nested too deep, and a value that is longer than its list", () => {
    const wide = encoded(many);
    let deep: Uint8Array = wide;
    for (let level = 0; level < 250; level += 1) {
      deep = structOf(new BinaryWriter().tag(5, WireType.LengthDelimited).bytes(deep).finish());
    }
    assert.throws(() => writtenInSteps(json, deep), /nested deeper/);
    assert.throws(() => writtenInSteps(json, wide.subarray(0, -1)), RangeError);
  });
});
