import assert from "node:assert/strict";
import fc from "fast-check";
import { runSync } from "../../src/load-shedding/task-queue.ts";
import { charactersPerStep, jsonTextViolations } from "../../src/validation/json-text-violations.ts";

/** Whether `JSON.parse` accepts a text. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const syntaxErrorIn = (text: string) =>
  runSync(jsonTextViolations(text)).find(({ message }) => message.startsWith("must be JSON: "))?.message;

/** Any code point, among them halves of surrogate pairs. fast-check's own strings of these take a second to prepare. */
const character = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));

/** Pieces of JSON, and pieces that resemble JSON. */
const pieces = fc.oneof(
  fc.constantFrom(
    ...Array.from("{}[]:,\"'\\/bfnrtu0123456789abcdefABCDEF+-.eE \t\n\r\0\v\u00a0\u2028\ufeff"),
  ),
  fc.constantFrom("true", "false", "null", '"a"', '{"a":', "\\u00e9", "\\ud83e", "1e5", "-0.5", "01", "nul"),
  fc.constantFrom("\ud800", "\udfff", "🧬", "Infinity"),
);

/** A JSON text in which some pieces are replaced. */
const mutated = fc
  .tuple(fc.json(), fc.array(fc.tuple(fc.nat(), fc.nat({ max: 2 }), pieces), { minLength: 1, maxLength: 3 }))
  .map(([text, changes]) =>
    changes.reduce((changed, [draw, removed, piece]) => {
      const at = draw % (changed.length + 1);
      return changed.slice(0, at) + piece + changed.slice(at + removed);
    }, text),
  );

/** A message without the word that it shows, which may go on after the first wrong character. */
const withoutWord = (message: string) => message.replace(/ instead of .* at line|; did you mean .*$/gs, "");

describe("jsonTextViolations", () => {
  const runs = { numRuns: 5000 };

  for (const [what, texts] of [
    ["JSON", fc.json({ stringUnit: character })],
    ["JSON in lines", fc.jsonValue().map((value) => JSON.stringify(value, null, "\r\n\t "))],
    ["JSON with a change", mutated],
    ["pieces of JSON", fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""))],
    ["numbers", fc.string({ unit: fc.constantFrom(...Array.from("0123-+.eE")), minLength: 1, maxLength: 8 })],
    ["any text", fc.string({ unit: character })],
  ] as const)
    it(`finds a syntax error exactly when JSON.parse does: ${what}`, () => {
      fc.assert(
        fc.property(texts, (text) => (syntaxErrorIn(text) === undefined) === isJson(text)),
        runs,
      );
    });

  it("reports the first character that cannot follow the text before it", () => {
    fc.assert(
      fc.property(
        mutated.filter((text) => text.isWellFormed()),
        (text) => {
          const message = syntaxErrorIn(text) ?? "";
          const [, line, column] = /line (\d+), column (\d+)/.exec(message) ?? [];
          if (line === undefined) return;
          const lines = text.split(/(?<=\r\n|\n|\r(?!\n))/);
          const before = Array.from(lines[Number(line) - 1] ?? "").slice(0, Number(column) - 1);
          const start = [...lines.slice(0, Number(line) - 1), ...before].join("");
          assert.match(syntaxErrorIn(start) ?? "the end", /the end|is empty/);
          const next = String.fromCodePoint(...[text.codePointAt(start.length) ?? []].flat());
          assert.equal(withoutWord(syntaxErrorIn(start + next) ?? message), withoutWord(message));
        },
      ),
      runs,
    );
  });

  for (const [text, message] of [
    ["", "the body is empty"],
    ["  ", "expected a value instead of the end at line 1, column 3"],
    ['{"a":1,\n "b":\u200b2}', "expected a value instead of U+200B at line 2, column 6"],
    ['{"🧬":\r\n\r\n"é" 1}', "expected ',' or '}' instead of '1' at line 3, column 5"],
    ["[1\r]\r\t]", "expected the end instead of ']' at line 3, column 2"],
    ["[“a”]", "expected a value instead of U+201C at line 1, column 2"],
    ["[🧬]", "expected a value instead of U+1F9EC at line 1, column 2"],
    ["[1 2]", "expected ',' or ']' instead of '2' at line 1, column 4"],
    ["[NaN]", "expected a value instead of NaN at line 1, column 2"],
    ["[True]", "expected a value instead of True at line 1, column 2; did you mean true?"],
    ["[None]", "expected a value instead of None at line 1, column 2"],
    [`[${"a".repeat(16)}]`, `expected a value instead of ${"a".repeat(16)} at line 1, column 2`],
    [`[${"a".repeat(17)}]`, "expected a value instead of 'a' at line 1, column 2"],
    ["[1,]", "expected a value instead of ']' at line 1, column 4"],
    ["{'a':1}", "expected a key in double quotes instead of ''' at line 1, column 2"],
    ['{"a":1,}', "expected a key in double quotes instead of '}' at line 1, column 8"],
    ['{"a" 1}', "expected ':' instead of '1' at line 1, column 6"],
    ['{"a', "expected the rest of a string instead of the end at line 1, column 4"],
    ['["a\tb"]', "expected an escape sequence instead of U+0009 at line 1, column 4"],
    ['["\\x41"]', "expected one of \"\\/bfnrtu after a backslash instead of 'x' at line 1, column 4"],
    ['["\\u00g0"]', "expected a hexadecimal digit instead of 'g' at line 1, column 7"],
    ["[-]", "expected a digit instead of ']' at line 1, column 3"],
    ["[1.e1]", "expected a digit instead of 'e' at line 1, column 4"],
    ["[01]", "expected ',' or ']' instead of '1' at line 1, column 3"],
    ["nul", "expected true, false or null instead of the end at line 1, column 4"],
    ["{} {}", "expected the end instead of '{' at line 1, column 4"],
  ] as const)
    it(`reports for ${JSON.stringify(text)}: ${message}`, () => {
      assert.deepEqual(runSync(jsonTextViolations(text)), [
        { path: "/body", message: `must be JSON: ${message}` },
      ]);
    });

  for (const [text, ...paths] of [
    ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}'],
    ['{"a":1,"A":2,"á":3,"a\\u0301":4,"":5}'],
    ['{"a":1,"a":1}', "/body/a"],
    ['{"a":1,"\\u0061":2,"a":3}', "/body/a", "/body/a"],
    ['{"":1,"":2}', "/body/"],
    ['{"__proto__":1,"__proto__":2}', "/body/__proto__"],
    [
      '[0,{"x":[[],{"a/b":1,"~":{},"a/b":[{"k":0,"k":0}],"~":{}}]}]',
      "/body/1/x/1/a~1b",
      "/body/1/x/1/a~1b/0/k",
      "/body/1/x/1/~0",
    ],
    ['{"\\ud800":1,"\\uD800":2}', "/body/\ud800"],
  ] as const)
    it(`reports the repeated keys ${JSON.stringify(paths)} of ${text}`, () => {
      assert.deepEqual(
        runSync(jsonTextViolations(text)),
        paths.map((path) => ({ path, message: "must be given once" })),
      );
    });

  it("finds a key that is appended to an object a second time", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: character }), fc.jsonValue(), { minKeys: 1, maxKeys: 9 }),
        fc.nat(),
        (object, draw) => {
          const keys = Object.keys(object);
          const key = keys[draw % keys.length] ?? "";
          const text = JSON.stringify(object);
          assert.deepEqual(runSync(jsonTextViolations(text)), []);
          assert.equal(
            runSync(jsonTextViolations(`${text.slice(0, -1)},${JSON.stringify(key)}:0}`)).length,
            1,
          );
        },
      ),
    );
  });

  it("reports at most 1,000 repeated keys, and still finds a later syntax error", () => {
    const many = `{${'"a":0,'.repeat(100_000)}`;
    assert.ok(runSync(jsonTextViolations(`${many}"b":0}`)).length <= 1000);
    assert.match(syntaxErrorIn(`${many}}`) ?? "", /line 1, column 600002$/);
  });

  const mebibyte = 1024 * 1024;
  for (const [what, text, isValid] of [
    ["1 MiB of [", "[".repeat(mebibyte), false],
    ['1 MiB of {"a":', '{"a":'.repeat(mebibyte / 5), false],
    ["a list half a million levels deep", "[".repeat(mebibyte / 2) + "]".repeat(mebibyte / 2), true],
    [
      "100,000 keys",
      JSON.stringify(Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, 0]))),
      true,
    ],
  ] as const)
    it(`${isValid ? "accepts" : "rejects"} ${what}`, () =>
      assert.equal(runSync(jsonTextViolations(text)).length === 0, isValid));

  const tooMany = "must have at most 524288 values and keys; store large parameters as a string";
  for (const [what, text, ...messages] of [
    ["a list of 524,287 values", `[${"0,".repeat(524_286)}0]`],
    ["a list of 524,288 values", `[${"0,".repeat(524_287)}0]`, tooMany],
    ["174,762 objects with a key each", `[${'{"":0},'.repeat(174_761)}{"":0}]`],
    ["174,763 objects with a key each", `[${'{"":0},'.repeat(174_762)}{"":0}]`, tooMany],
    ["a string of 1 MiB", `"${"A".repeat(mebibyte)}"`],
    ["a key of 65,536 characters", `{"${"A".repeat(65_536)}":0}`],
    [
      "a key of 65,537 characters",
      `{"${"A".repeat(65_537)}":0}`,
      "must have keys of at most 65536 characters",
    ],
  ] as const)
    it(`${messages.length === 0 ? "accepts" : "rejects"} ${what}`, () => {
      assert.deepEqual(
        runSync(jsonTextViolations(text)),
        messages.map((message) => ({ path: "/body", message })),
      );
    });

  for (const [what, text, message] of [
    ["a string", '"A\\n"', undefined],
    ["a string without its end", '"AA', /instead of the end at line 1, column 655363$/],
    ["white space before an error", "  x", /instead of 'x' at line 1, column 655362$/],
  ] as const)
    it(`reads ${what} in short slices`, () => {
      const [first = "", second = "", ...others] = text;
      const long = first + second.repeat(10 * charactersPerStep) + others.join("");
      const slices = jsonTextViolations(long);
      let yields = 0;
      let result = slices.next();
      for (; result.done !== true; result = slices.next()) yields += 1;
      assert.ok(yields >= 9, `${yields} yields`);
      if (message === undefined) assert.deepEqual(result.value, []);
      else assert.match(result.value[0]?.message ?? "", message);
    });
});
