import assert from "node:assert/strict";
import { labelFromQuery, labelSelectorFromQuery } from "../../src/mapping/label-selector.ts";

describe("labelFromQuery", () => {
  for (const [text, key, value] of [
    ["team=alpha", "team", "alpha"],
    ["a=b=c", "a", "b=c"],
    ["a=", "a", ""],
    ["a==", "a", "="],
    ["né=🧬", "né", "🧬"],
  ] as const)
    it(`splits ${text} at its first =`, () => assert.deepEqual(labelFromQuery(text), [key, value]));
});

describe("labelSelectorFromQuery", () => {
  it("collects all pairs", () => {
    assert.deepEqual(labelSelectorFromQuery(["a=1", "b=2=3"]), { a: "1", b: "2=3" });
    assert.deepEqual(labelSelectorFromQuery([]), {});
  });

  it("holds a key that objects have by themselves as any other", () => {
    assert.deepEqual(Object.entries(labelSelectorFromQuery(["__proto__=x"])), [["__proto__", "x"]]);
  });
});
