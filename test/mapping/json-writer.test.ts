import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { runSync } from "../../src/load-shedding/task-queue.ts";
import { JsonWriter, singleLineJson } from "../../src/mapping/json-writer.ts";
import { text as anyText } from "./arbitraries.ts";
import { textOf } from "./transcode.ts";

/** Every code point below U+0100, and those around the line breaks above it. */
const characters = [
  ...Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code)),
  ...["\u2027", "\u2028", "\u2029", "\u202a", "\u3028", "\ufeff", "\ufffd", "\u{10ffff}"],
];

/** The JSON for UTF-8 bytes in the middle of a larger buffer. */
function utf8(text: string | Uint8Array): string {
  const bytes = Buffer.concat([Buffer.from("«"), Buffer.from(text), Buffer.from("»")]);
  const out = new JsonWriter();
  out.writeUtf8(bytes, 2, bytes.length - 2);
  return textOf(out);
}

/** The same in slices. */
function utf8InSlices(text: string | Uint8Array): string {
  const bytes = Buffer.concat([Buffer.from("«"), Buffer.from(text), Buffer.from("»")]);
  const out = new JsonWriter();
  runSync(out.writeUtf8InSlices(bytes, 2, bytes.length - 2));
  return textOf(out);
}

function string(text: string): string {
  const out = new JsonWriter();
  out.writeString(text);
  return textOf(out);
}

describe("singleLineJson", () => {
  it("escapes the line breaks that JSON.stringify does not", () => {
    const value = { "a\u2028": ["\x85", "\u2029", "é🧬", 1, null] };
    assert.equal(singleLineJson(value), '{"a\\u2028":["\\u0085","\\u2029","é🧬",1,null]}');
    assert.deepEqual(JSON.parse(singleLineJson(value)), value);
  });
});

describe("JsonWriter", () => {
  for (const [name, write] of Object.entries({ utf8, utf8InSlices, string })) {
    it(`writes every character like JSON.stringify with escaped line breaks, by ${name}`, () => {
      for (const character of characters)
        for (const text of [character, `a${character}`, `${character}a`, `${character}${character}`])
          assert.equal(write(text), singleLineJson(text));
    });

    it(`writes any text like JSON.stringify with escaped line breaks, by ${name}`, () => {
      fc.assert(fc.property(anyText, (text) => assert.equal(write(text), singleLineJson(text))));
    });
  }

  it("writes U+FFFD for invalid UTF-8", () => {
    for (const bytes of [
      [0xff],
      [0xe2, 0x80],
      [0xc2],
      [0xed, 0xa0, 0x80],
      [0x61, 0xe2, 0x80, 0x22],
      [0xc0, 0x8a],
    ])
      for (const write of [utf8, utf8InSlices])
        assert.equal(write(Uint8Array.from(bytes)), singleLineJson(Buffer.from(bytes).toString()));
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) =>
        assert.equal(utf8(bytes), singleLineJson(Buffer.from(bytes).toString())),
      ),
    );
  });

  it("keeps pieces of all sizes in order, and returns the total length", () => {
    const sizes = [0, 1, 1022, 1023, 1024, 1025, 4096, 65_535, 65_536, 65_537, 200_000];
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom("ascii", "bytes", "string", "utf8"), fc.constantFrom(...sizes, 3, 500)),
          {
            maxLength: 12,
          },
        ),
        fc.constantFrom("x", "\u2028", "🧬"),
        (pieces, character) => {
          const out = new JsonWriter();
          let expected = "";
          for (const [kind, size] of pieces) {
            const isJson = kind === "ascii" || kind === "bytes";
            const text = (isJson ? "y" : character).repeat(size);
            if (kind === "ascii") out.writeAscii(text);
            else if (kind === "bytes") out.writeBytes(Buffer.from(text));
            else if (kind === "string") out.writeString(text);
            else out.writeUtf8(Buffer.from(text), 0, Buffer.byteLength(text));
            expected += isJson ? text : singleLineJson(text);
            assert.equal(out.length, Buffer.byteLength(expected));
          }
          const bytes = Buffer.concat(out.pieces());
          assert.equal(bytes.length, out.length);
          assert.ok(isUtf8(bytes));
          assert.ok(bytes.equals(Buffer.from(expected)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("writes numbers with leading zeros, at any fill level of a piece", () => {
    for (let before = 1010; before <= 1025; before += 1) {
      const out = new JsonWriter();
      out.writeAscii("y".repeat(before));
      out.writeDigits(7, 4, "-");
      out.writeDigits(120_000, 9, "Z");
      assert.equal(textOf(out).slice(before), "0007-000120000Z");
    }
  });

  it("records at most ten corrections, each with its workflow's id", () => {
    const out = new JsonWriter();
    out.noteCorrection("state", { workflowId: "w1" });
    for (let i = 0; i < 20; i += 1) out.noteCorrection("updated_at", { workflowId: "w2" });
    assert.equal(out.corrections.length, 10);
    assert.deepEqual(
      out.corrections.map(({ field, workflowId }) => `${workflowId} ${field}`),
      ["w1 state", ...Array.from({ length: 9 }, () => "w2 updated_at")],
    );
  });
});
