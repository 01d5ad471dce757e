import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { isObject } from "../../src/validation/is-object.ts";
import { escapePointer } from "../../src/validation/json-pointer.ts";
import { patternMessages } from "../../src/validation/pattern-messages.ts";

describe("patternMessages", () => {
  it("maps what the validator says of a pattern to the contract's own words, at any depth", () => {
    const document = {
      a: [{ pattern: "^x$", "x-pattern-message": "must be x" }],
      b: { pattern: "^y$" },
      c: null,
    };
    assert.deepEqual([...patternMessages(document)], [['must match pattern "^x$"', "must be x"]]);
  });

  it("finds words for every pattern of the contract, and never two for one pattern", () => {
    const words = new Map<string, Set<unknown>>();
    (function visit(value: unknown): void {
      if (Array.isArray(value)) return value.forEach(visit);
      if (!isObject(value)) return;
      if (typeof value.pattern === "string")
        words.set(value.pattern, (words.get(value.pattern) ?? new Set()).add(value["x-pattern-message"]));
      Object.values(value).forEach(visit);
    })(loadContract().document);
    assert.ok(words.size > 0);
    for (const [pattern, said] of words) {
      assert.equal(said.size, 1, pattern);
      assert.equal(typeof [...said][0], "string", pattern);
    }
    assert.equal(patternMessages(loadContract().document).size, words.size);
  });

  for (const value of [undefined, null, 1, "pattern", []])
    it(`finds nothing in ${JSON.stringify(value)}`, () => assert.equal(patternMessages(value).size, 0));
});

describe("escapePointer", () => {
  for (const [key, escaped] of [
    ["a", "a"],
    ["a/b", "a~1b"],
    ["~1", "~01"],
    ["/~/", "~1~0~1"],
    ["", ""],
  ] as const)
    it(`writes ${JSON.stringify(key)} as ${JSON.stringify(escaped)}`, () =>
      assert.equal(escapePointer(key), escaped));
});

describe("isObject", () => {
  for (const value of [{}, { a: 1 }, JSON.parse('{"__proto__":1}')])
    it(`takes ${JSON.stringify(value)}`, () => assert.ok(isObject(value)));
  for (const value of [null, undefined, [], "a", 1, true])
    it(`refuses ${JSON.stringify(value)}`, () => assert.ok(!isObject(value)));
});
