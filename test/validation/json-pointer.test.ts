import assert from "node:assert/strict";
import { escapePointer } from "../../src/validation/json-pointer.ts";

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
