import assert from "node:assert/strict";
import { findingsJson, findingText, isFailure, isWithin } from "./report.ts";
import type { Finding } from "./report.ts";

const finding = (figure: Pick<Finding, "ratio" | "value">): Finding => ({
  work: "w",
  limit: 2,
  detail: "d",
  ...figure,
});

describe("the report of the benchmark", () => {
  for (const [figure, holds] of [
    [{ ratio: 1.9 }, true],
    [{ ratio: 2 }, true],
    [{ ratio: 2.01 }, false],
    [{ value: 0 }, true],
    [{ value: 3 }, false],
    [{ ratio: NaN }, false],
    [{}, false],
  ] as const)
    it(`${holds ? "lets pass" : "marks"} ${JSON.stringify(figure)} against a bound of 2`, () => {
      assert.equal(isWithin(finding(figure)), holds);
      assert.equal(findingText(finding(figure)).startsWith(holds ? " " : "!"), true);
    });

  it("fails for a bound that is not kept, unless it is known that it cannot be", () => {
    assert.equal(isFailure(finding({ ratio: 2 })), false);
    assert.equal(isFailure(finding({ ratio: 3 })), true);
    const known = { ...finding({ ratio: 3 }), known: "too much" };
    assert.equal(isFailure(known), false);
    assert.match(findingText(known), /^~ .*d; too much$/);
    assert.match(findingText({ ...known, ratio: 1 }), /^ {2}/);
  });

  it("shows and writes a finding without a bound, and never fails for it", () => {
    const unbounded = { work: "w", value: 1e6, detail: "d" };
    assert.equal(isFailure(unbounded), false);
    assert.match(findingText(unbounded), /^ {2}w +1000000.00 {12}d$/);
    assert.deepEqual(JSON.parse(findingsJson([unbounded])), [{ work: "w", value: 1e6 }]);
  });

  it("writes figures and bounds, and no details", () => {
    assert.deepEqual(JSON.parse(findingsJson([finding({ ratio: 1 }), finding({ value: 3 })])), [
      { work: "w", ratio: 1, limit: 2 },
      { work: "w", value: 3, limit: 2 },
    ]);
  });
});
