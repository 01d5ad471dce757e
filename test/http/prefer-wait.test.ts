import assert from "node:assert/strict";
import { waitPreference } from "../../src/http/prefer-wait.ts";
import { scaled } from "../support/machine.ts";

const cases: [header: string | undefined, seconds: number | undefined][] = [
  [undefined, undefined],
  ["", undefined],
  ["wait=10", 10],
  ["wait=0", 0],
  ["wait=60", 60],
  ["wait=61", 60],
  ["wait=99999999999999999999", 60],
  ["Wait=10", 10],
  [" wait = 10 ", 10],
  ['wait="10"', 10],
  ["wait=10; strictly", 10],
  ["respond-async, wait=10", 10],
  ["respond-async;a=1, wait=10, handling=lenient", 10],
  ["wait=10, wait=20", 10],
  ["wait=soon, wait=20", undefined],
  ["wait", undefined],
  ["wait=", undefined],
  ["wait=-1", undefined],
  ["wait=1.5", undefined],
  ["wait=1e1", undefined],
  ["wait=0x10", undefined],
  ["wait=10 20", undefined],
  ["waiting=10", undefined],
  ["await=10", undefined],
  ['comment="a, wait=10", respond-async', undefined],
  ['comment="a \\", wait=10", wait=5', 5],
  ['comment="wait=10', undefined],
];

describe("waitPreference", () => {
  for (const [header, seconds] of cases)
    it(`reads ${JSON.stringify(header)} as ${seconds === undefined ? "no wait" : `${seconds} s`}`, () => {
      assert.equal(waitPreference(header), seconds);
    });

  it("takes linear time", () => {
    const begin = performance.now();
    for (const text of ['"\\'.repeat(8000), '"'.repeat(16_000), ",".repeat(16_000), "wait ".repeat(3000)])
      assert.equal(waitPreference(text), undefined);
    assert.ok(performance.now() - begin < scaled(100));
  });
});
