import assert from "node:assert/strict";
import { ifRangeMatches, selectRange } from "../../src/artifacts/range.ts";
import type { RangeSelection } from "../../src/artifacts/range.ts";

const sha256 = "0123456789abcdef".repeat(4);
const etag = `"${sha256}"`;
const size = 10;
const whole: RangeSelection = { kind: "whole" };
const unsatisfiable: RangeSelection = { kind: "unsatisfiable" };
const part = (start: number, end: number): RangeSelection => ({ kind: "part", range: { start, end } });

describe("selectRange", () => {
  for (const [range, selection] of [
    ["bytes=0-0", part(0, 0)],
    ["bytes=2-5", part(2, 5)],
    ["bytes=0-", part(0, 9)],
    ["bytes=9-", part(9, 9)],
    ["bytes=-3", part(7, 9)],
    ["bytes=-10", part(0, 9)],
    ["bytes=-99", part(0, 9)],
    ["bytes=5-99999999999999999999", part(5, 9)],
    ["BYTES=1-2", part(1, 2)],
    ["bytes=10-", unsatisfiable],
    ["bytes=10-20", unsatisfiable],
    ["bytes=-0", unsatisfiable],
    ["bytes=5-2", whole],
    ["bytes=20-12", whole],
    ["bytes=0-1,3-4", whole],
    ["bytes=0-1,1-2", whole],
    ["bytes=", whole],
    ["bytes=-", whole],
    ["bytes=a-b", whole],
    ["bytes=1-2x", whole],
    ["bytes=0x1-2", whole],
    ["bytes=1.5-2", whole],
    ["items=0-1", whole],
    ["bytes 0-1", whole],
    ["", whole],
  ] as const)
    it(`selects ${JSON.stringify(selection)} for the Range ${JSON.stringify(range)}`, () => {
      assert.deepEqual(selectRange(range, size), selection);
    });

  it("selects no range of an empty file", () => {
    assert.deepEqual(selectRange("bytes=0-", 0), unsatisfiable);
  });
});

describe("ifRangeMatches", () => {
  for (const [ifRange, matches] of [
    [undefined, true],
    [etag, true],
    [`W/${etag}`, false],
    ['"other"', false],
    [sha256, false],
    ["Mon, 05 Jan 2026 09:00:00 GMT", false],
    ["", false],
  ] as const)
    it(`returns ${matches} for ${JSON.stringify(ifRange)}`, () => {
      assert.equal(ifRangeMatches(ifRange, etag), matches);
    });

  it("returns false for a file without an ETag", () => {
    assert.equal(ifRangeMatches(etag, undefined), false);
  });
});
