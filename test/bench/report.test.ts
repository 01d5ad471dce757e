import assert from "node:assert/strict";
import { findingsJson, findingText, isWithin } from "./report.ts";
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

  it("writes figures and bounds, and no details", () => {
    assert.deepEqual(JSON.parse(findingsJson([finding({ ratio: 1 }), finding({ value: 3 })])), [
      { work: "w", ratio: 1, limit: 2 },
      { work: "w", value: 3, limit: 2 },
    ]);
  });
});
