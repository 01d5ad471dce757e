import assert from "node:assert/strict";
import { etagOf, selectionFor } from "../../src/artifacts/conditions.ts";
import type { Selection } from "../../src/artifacts/conditions.ts";

const sha256 = "0123456789abcdef".repeat(4);
const etag = `"${sha256}"`;
const size = 10;
const whole: Selection = { kind: "whole" };
const notModified: Selection = { kind: "not-modified" };
const unsatisfiable: Selection = { kind: "unsatisfiable" };
const part = (start: number, end: number): Selection => ({ kind: "part", range: { start, end } });

describe("etagOf", () => {
  it("quotes a SHA-256", () => assert.equal(etagOf(sha256), etag));
  it("is none without one", () => assert.equal(etagOf(undefined), undefined));
});

describe("selectionFor", () => {
  it("selects the whole file without conditions", () =>
    assert.deepEqual(selectionFor({}, size, etag), whole));

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
      assert.deepEqual(selectionFor({ range }, size, etag), selection);
    });

  it("finds no range in an empty file", () => {
    assert.deepEqual(selectionFor({ range: "bytes=0-" }, 0, etag), unsatisfiable);
  });

  for (const [ifRange, selection] of [
    [etag, part(0, 1)],
    [`W/${etag}`, whole],
    ['"other"', whole],
    [sha256, whole],
    ["Mon, 05 Jan 2026 09:00:00 GMT", whole],
    ["", whole],
  ] as const)
    it(`selects ${JSON.stringify(selection)} for a range with If-Range ${JSON.stringify(ifRange)}`, () => {
      assert.deepEqual(selectionFor({ range: "bytes=0-1", ifRange }, size, etag), selection);
    });

  it("lets If-Range match nothing where there is no ETag", () => {
    assert.deepEqual(selectionFor({ range: "bytes=0-1", ifRange: etag }, size, undefined), whole);
  });

  for (const [ifNoneMatch, selection] of [
    [etag, notModified],
    [`W/${etag}`, notModified],
    [`"a", ${etag}`, notModified],
    [`"a",W/${etag} , "b"`, notModified],
    ["*", notModified],
    [" * ", notModified],
    ['"a"', whole],
    [sha256, whole],
    ['"*"', whole],
    ["", whole],
  ] as const)
    it(`selects ${JSON.stringify(selection)} for If-None-Match ${JSON.stringify(ifNoneMatch)}`, () => {
      assert.deepEqual(selectionFor({ ifNoneMatch }, size, etag), selection);
    });

  it("lets If-None-Match match only * where there is no ETag", () => {
    assert.deepEqual(selectionFor({ ifNoneMatch: etag }, size, undefined), whole);
    assert.deepEqual(selectionFor({ ifNoneMatch: "*" }, size, undefined), notModified);
  });

  it("looks at If-None-Match before the range", () => {
    const range = "bytes=99-";
    assert.deepEqual(selectionFor({ range, ifNoneMatch: etag }, size, etag), notModified);
    assert.deepEqual(selectionFor({ range, ifNoneMatch: '"a"' }, size, etag), unsatisfiable);
  });
});
