import assert from "node:assert/strict";
import { escapePointer, valueAt } from "../../src/validation/json-pointer.ts";

describe("escapePointer", () => {
  for (const [key, escaped] of [
    ["a", "a"],
    ["a/b", "a~1b"],
    ["~1", "~01"],
    ["/~/", "~1~0~1"],
    ["", ""],
  ] as const)
    it(`escapes ${JSON.stringify(key)} as ${JSON.stringify(escaped)}`, () =>
      assert.equal(escapePointer(key), escaped));

  it("truncates a long key", () => {
    assert.equal(escapePointer("k".repeat(128)), "k".repeat(128));
    assert.equal(escapePointer("k".repeat(129)), `${"k".repeat(128)}…`);
  });
});

describe("valueAt", () => {
  const root = { list: [{ a: 1 }, null], "a/b~1": { "": 2 }, text: "abc" };
  for (const [pointer, value] of [
    ["", root],
    ["/list", root.list],
    ["/list/0/a", 1],
    ["/list/1", null],
    ["/list/1/a", undefined],
    ["/list/2", undefined],
    ["/a~1b~01/", 2],
    ["/text/0", undefined],
    ["/constructor", undefined],
    ["/none/none", undefined],
  ] as const)
    it(`is ${JSON.stringify(value)} at ${JSON.stringify(pointer)}`, () => {
      assert.deepEqual(valueAt(root, pointer), value);
    });
});
