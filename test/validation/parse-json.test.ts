import assert from "node:assert/strict";
import fc from "fast-check";
import { runSync } from "../../src/load-shedding/task-queue.ts";
import { charactersPerStep, valuesPerStep } from "../../src/validation/json-text-violations.ts";
import { parseJson } from "../../src/validation/parse-json.ts";

describe("parseJson", () => {
  const parse = (text: string) => runSync(parseJson(text));

  it("returns the same value as JSON.parse", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 1, "\t"), (json, space) => {
        const text = JSON.stringify(JSON.parse(json), undefined, space);
        const value = parse(text);
        assert.deepEqual(value, JSON.parse(text));
        // With its keys in the same order.
        assert.equal(JSON.stringify(value), JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  for (const text of [
    "1",
    "-0",
    "-1.5e+3",
    "1E400",
    "0.1",
    '""',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud800"',
    '"é😀\u2028"',
    '{"\\u0061":"b\\n"}',
    '{"":{}}',
    "[]",
    "{}",
    "[[],{},[{}]]",
    ' \r\n\t{ "a" : [ true , false , null , { "b" : [ ] } ] , "c" : "," } ',
    '{"2":0,"b":1,"1":2,"constructor":3}',
    '{"a":1,"a":2}',
  ])
    it(`returns the same value as JSON.parse for ${text}`, () => {
      assert.deepEqual(parse(text), JSON.parse(text));
      assert.equal(JSON.stringify(parse(text)), JSON.stringify(JSON.parse(text)));
    });

  it("adds __proto__ as an own property and leaves the prototype", () => {
    const value = parse('{"__proto__":{"isAdmin":true},"b":1}') as object;
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.deepEqual(Object.keys(value), ["__proto__", "b"]);
    assert.equal("isAdmin" in value, false);
  });

  it("does not confuse keys with those of earlier objects, as JSON.parse of V8 13.6 does", () => {
    for (const before of ['{"zq":1,"\\\\":2}', '{"zq":1,"\\\\u0":2}'])
      for (const key of ["\\u03b2", "\\n", "\\u00e9t\\u00e9"]) {
        for (let round = 0; round < 3; round += 1) parse(before);
        assert.deepEqual(Object.keys(parse(`{"zq":1,"${key}":2}`) as object), ["zq", JSON.parse(`"${key}"`)]);
      }
  });

  it("parses 200,000 nested lists without a stack overflow", () => {
    const depth = 200_000;
    let value = parse("[".repeat(depth) + "]".repeat(depth));
    let levels = 0;
    for (; Array.isArray(value); value = value[0] as unknown) levels += 1;
    assert.equal(levels, depth);
  });

  it("yields once for every `valuesPerStep` values", () => {
    const count = 10 * valuesPerStep;
    const slices = parseJson(JSON.stringify(Array.from({ length: count }, (_, index) => index)));
    let yields = 0;
    let result = slices.next();
    for (; result.done !== true; result = slices.next()) yields += 1;
    assert.equal(yields, 10);
    assert.equal((result.value as unknown[]).length, count);
  });

  for (const [what, part] of [
    ["letters", "A"],
    ["escapes of two characters", "\\n"],
    ["escapes of surrogate pairs", "\\ud83e\\uddec"],
    ["quotes", '\\"'],
    ["characters of two code units", "🧬"],
  ] as const)
    it(`parses a long string of ${what} in short slices`, () => {
      // In each of these, a slice ends within a part.
      for (const before of ["", "A", "AA", "AAA"]) {
        const text = `[1,"${before}${part.repeat((4 * charactersPerStep) / part.length)}",{"a":2}]`;
        const slices = parseJson(text);
        let yields = 0;
        let result = slices.next();
        for (; result.done !== true; result = slices.next()) yields += 1;
        assert.ok(yields >= 4, `${yields} yields`);
        assert.ok(JSON.stringify(result.value) === JSON.stringify(JSON.parse(text)));
      }
    });
});
