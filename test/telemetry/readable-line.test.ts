import assert from "node:assert/strict";
import { inspect, stripVTControlCharacters } from "node:util";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createReadableLine } from "../../src/telemetry/readable-line.ts";

/** The formatted line of `entry`, without its time. */
function readable(entry: object, msg: string, colours = false): string {
  const written: string[] = [];
  const format = createReadableLine(colours);
  createLogger({ write: (line) => void written.push(format(line)) }).warn(entry, msg);
  assert.equal(written.length, 1);
  return written.join("").replace(/^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] /, "");
}

describe("createReadableLine", () => {
  it("has every field, and the event once", () => {
    assert.equal(
      readable({ event: "e", trace_id: "abc", count: 3, text: 'a "b" \ttwo\nlines' }, "e"),
      `WARN: e ${JSON.stringify({ trace_id: "abc", count: 3, text: 'a "b" \ttwo\nlines' })}\n`,
    );
    assert.equal(readable({ event: "e" }, "more of it"), "WARN: e: more of it\n");
  });

  it("has the stacks of an error and of its causes on lines of their own", () => {
    const shown = readable({ event: "e", err: new Error("above", { cause: new Error("below") }) }, "e");
    assert.match(shown, /\n +Error: above\n +at .*\n/);
    assert.match(shown, /\n +Error: below\n +at .*\n/);
  });

  it("has the same text with colors", () => {
    const entry = { event: "e", count: 3 };
    const coloured = readable(entry, "e", true);
    assert.ok(coloured.includes("\x1b[33mWARN"));
    assert.ok(stripVTControlCharacters(coloured).endsWith(readable(entry, "e")));
  });

  const hostile = [
    ...Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)),
    ...Array.from({ length: 33 }, (_, i) => String.fromCharCode(0x7f + i)),
    ...[0x61c, 0x200e, 0x200f, 0x202a, 0x202d, 0x202e, 0x2066, 0x2069].map((code) =>
      String.fromCharCode(code),
    ),
  ].filter((character) => character !== "\n" && character !== "\t");

  for (const character of hostile) {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    for (const before of ["", "\\", "\\\\"])
      it(`escapes U+${code} everywhere, after ${inspect(before)}`, () => {
        const text = `${before}${character}[31m`;
        const err = Object.assign(new Error(text, { cause: new Error(text) }), { code: text });
        const shown = readable({ event: text, [text]: text, deep: { [text]: [text] }, err }, `msg ${text}`);
        assert.ok(!shown.includes(character));
        assert.ok(shown.includes("[31m"), "the rest of the text is there");
      });
  }

  it("shows a control character as an escape", () => {
    assert.equal(
      readable({ event: "e" }, "a\x1b[2J\x9b\r\b\f\u202e\\u001b"),
      "WARN: e: a\\u001b[2J\\u009b\\r\\b\\f\\u202e\\u001b\n",
    );
  });

  it("does not let a value start a line", () => {
    const forged = "\n[2026-01-05T09:00:00.000Z] INFO: forged";
    const err = new Error(forged);
    for (const line of readable({ event: "e", text: forged, err }, "e").split("\n").slice(1))
      assert.ok(!line.startsWith("["), line);
  });
});
