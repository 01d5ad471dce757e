import assert from "node:assert/strict";
import { stepViolations } from "../../src/validation/step-violations.ts";

const before = "must be one of the steps of this workflow";
const many = Array.from({ length: 256 }, (_, index) => `step-${index}`);

describe("stepViolations", () => {
  for (const [step, known, message] of [
    ["fold", ["design", "fold"], undefined],
    ["", [""], undefined],
    ["flod", ["design", "fold"], `${before}: design, fold; did you mean fold?`],
    ["x", ["design", "fold"], `${before}: design, fold`],
    ["x", [], `${before}: none`],
    ["x", many, `${before}: ${many.slice(0, 20).join(", ")} and 236 more`],
    ["step-25x", many, `${before}: ${many.slice(0, 20).join(", ")} and 236 more; did you mean step-25?`],
  ] as const)
    it(`reports ${message === undefined ? "nothing" : "the steps"} for ${step || "an empty id"} of ${known.length}`, () => {
      const expected = message === undefined ? [] : [{ path: "/query/step", message }];
      assert.deepEqual(stepViolations(step, new Set(known)), expected);
    });

  it("compares the first 256 steps, however many there are", () => {
    const steps = new Set([...many, "flod"]);
    const [violation] = stepViolations("fold", steps);
    assert.ok(violation?.message.endsWith(" and 237 more"), violation?.message);
  });
});
