import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { JsonText, singleLineJson } from "../../src/mapping/json-text.ts";
import { text as anyText } from "./arbitraries.ts";
import { stringOf } from "./written.ts";

/** Every code point below U+0100, and those around the line breaks beyond. */
const characters = [
  ...Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code)),
  ...["\u2027", "\u2028", "\u2029", "\u202a", "\u3028", "\ufeff", "\ufffd", "\u{10ffff}"],
];

/** What is written of a text in UTF-8, which may be anywhere in a larger buffer. */
function utf8(text: string | Uint8Array): string {
  const bytes = Buffer.concat([Buffer.from("«"), Buffer.from(text), Buffer.from("»")]);
  const out = new JsonText();
  out.utf8(bytes, 2, bytes.length - 2);
  return stringOf(out);
}

function string(text: string): string {
  const out = new JsonText();
  out.string(text);
  return stringOf(out);
}

describe("singleLineJson", () => {
  it("is JSON.stringify with the line breaks escaped that JSON allows", () => {
    const value = { "a\u2028": ["\x85", "\u2029", "é🧬", 1, null] };
    assert.equal(singleLineJson(value), '{"a\\u2028":["\\u0085","\\u2029","é🧬",1,null]}');
    assert.deepEqual(JSON.parse(singleLineJson(value)), value);
  });
});

describe("JsonText", () => {
  for (const [name, write] of Object.entries({ utf8, string })) {
    it(`writes every character as JSON.stringify does but for line breaks, by ${name}`, () => {
      for (const character of characters)
        for (const text of [character, `a${character}`, `${character}a`, `${character}${character}`])
          assert.equal(write(text), singleLineJson(text));
    });

    it(`writes any text so, by ${name}`, () => {
      fc.assert(fc.property(anyText, (text) => assert.equal(write(text), singleLineJson(text))));
    });
  }

  it("writes bytes that are no UTF-8 as U+FFFD", () => {
    for (const bytes of [
      [0xff],
      [0xe2, 0x80],
      [0xc2],
      [0xed, 0xa0, 0x80],
      [0x61, 0xe2, 0x80, 0x22],
      [0xc0, 0x8a],
    ])
      assert.equal(utf8(Uint8Array.from(bytes)), singleLineJson(Buffer.from(bytes).toString()));
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) =>
        assert.equal(utf8(bytes), singleLineJson(Buffer.from(bytes).toString())),
      ),
    );
  });

  it("keeps all pieces in order, whatever their sizes, and tells their length", () => {
    const sizes = [0, 1, 1022, 1023, 1024, 1025, 4096, 65_535, 65_536, 65_537, 200_000];
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("ascii", "string", "utf8"), fc.constantFrom(...sizes, 3, 500)), {
          maxLength: 12,
        }),
        fc.constantFrom("x", "\u2028", "🧬"),
        (pieces, character) => {
          const out = new JsonText();
          let expected = "";
          for (const [kind, size] of pieces) {
            const text = (kind === "ascii" ? "y" : character).repeat(size);
            if (kind === "ascii") out.ascii(text);
            else if (kind === "string") out.string(text);
            else out.utf8(Buffer.from(text), 0, Buffer.byteLength(text));
            expected += kind === "ascii" ? text : singleLineJson(text);
            assert.equal(out.length, Buffer.byteLength(expected));
          }
          const bytes = Buffer.concat(out.segments());
          assert.equal(bytes.length, out.length);
          assert.ok(isUtf8(bytes));
          assert.ok(bytes.equals(Buffer.from(expected)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("notes ten values that it cannot tell at most, and of which workflow each is", () => {
    const out = new JsonText();
    out.noteUnusable("state");
    out.assignUnusable(() => "w1");
    out.assignUnusable(() => assert.fail("there is none without a workflow"));
    for (let i = 0; i < 20; i += 1) out.noteUnusable("updated_at");
    assert.equal(out.unusable.length, 10);
    out.assignUnusable(() => "w2");
    assert.deepEqual(
      out.unusable.map(({ field, workflowId }) => `${workflowId} ${field}`),
      ["w1 state", ...Array.from({ length: 9 }, () => "w2 updated_at")],
    );
  });
});
