import assert from "node:assert/strict";
import type { OperationId } from "../../src/contract.ts";
import { ruleViolations } from "../../src/validation/rules.ts";

/** The violations of a request that has only the parts that the rules read. */
function violationsOf(
  operation: OperationId,
  { body, label, lastEventId }: Record<string, unknown>,
): string[] {
  const parts = { body, query: { label }, headers: { "last-event-id": lastEventId }, params: {} };
  return [...ruleViolations(operation, parts)].map(({ path, message }) => `${path} ${message}`);
}

describe("ruleViolations", () => {
  it("reports the DAG and the content of a submission together", () => {
    const body = { steps: [{ id: "a", depends_on: ["a"], params: { x: Infinity } }] };
    assert.deepEqual(violationsOf("submitWorkflow", { body }), [
      '/body/steps/0/depends_on/0 makes a cycle: "a" needs "a"',
      "/body/steps/0/params/x must be within the range of a double",
    ]);
  });

  for (const [label, ...violations] of [
    [undefined],
    ["a=b"],
    [["a=b", "b=a"]],
    [["a=b=c", "aa=b"]],
    [["a=1", "b=1", "a=2"], '/query/label/2 repeats the label "a"'],
    [["a=1", "a=1"], '/query/label/1 repeats the label "a"'],
    [["__proto__=1", "__proto__=2"], '/query/label/1 repeats the label "__proto__"'],
    [[1, { a: 1 }]],
  ] as const)
    it(`finds ${violations.length} violations in the labels ${JSON.stringify(label)}`, () => {
      assert.deepEqual(violationsOf("listWorkflows", { label }), violations);
    });

  for (const [lastEventId, isViolation] of [
    [undefined, false],
    ["0", false],
    ["007", false],
    ["18446744073709551615", false],
    ["18446744073709551616", true],
    ["99999999999999999999", true],
    ["100000000000000000000", false],
    ["abc", false],
  ] as const)
    it(`${isViolation ? "rejects" : "accepts"} the Last-Event-ID ${lastEventId ?? "undefined"}`, () => {
      const expected = ["/headers/last-event-id must be at most 18446744073709551615"];
      assert.deepEqual(violationsOf("streamWorkflowEvents", { lastEventId }), isViolation ? expected : []);
    });

  for (const [filters, ...violations] of [
    [undefined],
    ["none"],
    [{ 0: { min: 2, max: 1 } }],
    [[]],
    [[{}, null, 1, [2, 1], { min: 2 }, { max: 1 }]],
    [[{ min: 1, max: 2 }]],
    [[{ min: 1, max: 1 }]],
    [[{ min: -0, max: 0 }]],
    [[{ min: 0, max: -0 }]],
    [[{ min: "2", max: "1" }]],
    [[{ min: null, max: -1 }]],
    [[{ min: 2, max: 1 }], "/body/filters/0/max must not be less than min"],
    [[{ min: 5e-324, max: 0 }], "/body/filters/0/max must not be less than min"],
    [
      [{ min: 2, max: 1 }, {}, { min: 1, max: -1 }],
      "/body/filters/0/max must not be less than min",
      "/body/filters/2/max must not be less than min",
    ],
  ] as const)
    it(`finds ${violations.length} violations in the filters ${JSON.stringify(filters)}`, () => {
      assert.deepEqual(violationsOf("rankDesigns", { body: { filters } }), violations);
    });

  it("reports a bound outside the range of a double only once", () => {
    assert.deepEqual(violationsOf("rankDesigns", { body: { filters: [{ min: Infinity, max: 1 }] } }), [
      "/body/filters/0/min must be within the range of a double",
    ]);
  });

  it("reports the filters and the content of a ranking together", () => {
    const body = { metric: "\ud800", filters: [{ min: 1, max: 0 }] };
    assert.deepEqual(violationsOf("rankDesigns", { body }), [
      "/body/filters/0/max must not be less than min",
      "/body/metric must be well-formed Unicode",
    ]);
  });

  for (const body of [undefined, null, 1, "x", []])
    it(`accepts the ranking ${JSON.stringify(body)}`, () => {
      assert.deepEqual(violationsOf("rankDesigns", { body }), []);
    });

  it("reports no more violations of filters than a response lists", () => {
    const filters = Array.from({ length: 300_000 }, () => ({ min: 1, max: 0 }));
    assert.equal(violationsOf("rankDesigns", { body: { filters } }).length, 100);
  });

  it("has no rules for other operations", () => {
    const body = { steps: [{ id: "a", depends_on: ["a"] }] };
    assert.deepEqual(
      violationsOf("getWorkflow", { body, label: ["a=1", "a=1"], lastEventId: "9".repeat(20) }),
      [],
    );
  });
});
