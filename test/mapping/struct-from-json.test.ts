import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import type { JsonObject } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { struct } from "./arbitraries.ts";
import { ReverseWriter } from "../../src/mapping/reverse-writer.ts";
import { writeStructFromJson } from "../../src/mapping/struct-from-json.ts";
import { structFromJson } from "./struct-bytes.ts";

/** The value after a round trip through JSON text, where -0 becomes 0. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("writeStructFromJson", () => {
  it("encodes what protobuf's own library decodes as the same object", () => {
    fc.assert(
      fc.property(struct, (object) => {
        const message = fromBinary(StructSchema, structFromJson(object));
        assert.deepEqual(plain(toJson(StructSchema, message)), plain(object));
      }),
    );
  });

  it("encodes every kind of value, and the key __proto__", () => {
    const object: JsonObject = JSON.parse(
      '{"__proto__":{"x":1},"null":null,"no":false,"yes":true,"n":-1.5e300,"s":"é🧬","l":[[],{}],"o":{"":0}}',
    );
    const message = fromBinary(StructSchema, structFromJson(object));
    assert.deepEqual(toJson(StructSchema, message), object);
  });

  for (const character of ["A", "é", "漢", "🧬"])
    it(`encodes a long string of ${character} in short slices`, () => {
      // With one of these, a slice would end within a character.
      for (const after of ["", "A"]) {
        const object = { a: character.repeat(300_000 / character.length) + after, b: 1 };
        const out = new ReverseWriter();
        const slices = writeStructFromJson(object, out);
        let yields = 0;
        while (slices.next().done !== true) yields += 1;
        assert.ok(yields >= 4, `${yields} yields`);
        assert.ok(isDeepStrictEqual(toJson(StructSchema, fromBinary(StructSchema, out.finish())), object));
      }
    });
});
