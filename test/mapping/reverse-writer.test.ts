import assert from "node:assert/strict";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { ReverseWriter } from "../../src/mapping/reverse-writer.ts";
import { character } from "./arbitraries.ts";

describe("ReverseWriter", () => {
  it("writes the same bytes as BinaryWriter, from the last to the first", () => {
    const part = fc.oneof(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.string({ unit: character, maxLength: 600 }),
      fc.record({ double: fc.double() }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 200 }), (parts) => {
        const forward = new BinaryWriter();
        for (const it of parts) {
          if (typeof it === "number") forward.uint32(it);
          else if (typeof it === "string") forward.string(it);
          else forward.double(it.double);
        }
        const reverse = new ReverseWriter();
        for (const it of parts.toReversed()) {
          if (typeof it === "number") reverse.varint(it);
          else if (typeof it === "string") reverse.string(it);
          else reverse.double(it.double);
        }
        const bytes = forward.finish();
        assert.equal(reverse.length, bytes.length);
        assert.deepEqual(Buffer.from(reverse.finish()), Buffer.from(bytes));
      }),
    );
  });

  it("grows for every kind of value, at any fill level", () => {
    for (let before = 240; before <= 260; before += 1)
      for (const part of ["byte", "varint", "double", "string"] as const) {
        const out = new ReverseWriter();
        for (let count = 0; count < before; count += 1) out.byte(count % 128);
        if (part === "byte") out.byte(9);
        else if (part === "varint") out.varint(2 ** 30);
        else if (part === "double") out.double(1.5);
        else out.string("x".repeat(100));
        const reader = new BinaryReader(out.finish());
        if (part === "byte") assert.equal(reader.uint32(), 9);
        else if (part === "varint") assert.equal(reader.uint32(), 2 ** 30);
        else if (part === "double") assert.equal(reader.double(), 1.5);
        else assert.equal(reader.string(), "x".repeat(100));
        assert.equal(reader.len - reader.pos, before);
        assert.equal(reader.uint32(), (before - 1) % 128);
      }
  });

  it("returns bytes in a buffer that is little larger", () => {
    for (const length of [70_000, 140_000, 1_000_000]) {
      const out = new ReverseWriter();
      for (let written = 0; written < length; written += 1000) out.string("x".repeat(998));
      const bytes = out.finish();
      assert.equal(bytes.length, out.length);
      assert.ok(bytes.buffer.byteLength - bytes.length < 20_000, `${bytes.buffer.byteLength}`);
    }
  });
});
