import assert from "node:assert/strict";
import type { OperationId } from "../../src/contract.ts";
import { ruleViolations } from "../../src/validation/rules.ts";

/** The faults of a request that has no more than what rules look at. */
function told(operation: OperationId, { body, label, lastEventId }: Record<string, unknown>): string[] {
  const parts = { body, query: { label }, headers: { "last-event-id": lastEventId }, params: {} };
  return [...ruleViolations(operation, parts)].map(({ path, message }) => `${path} ${message}`);
}

describe("ruleFaults", () => {
  it("checks the graph and the params of a submission together", () => {
    const body = { steps: [{ id: "a", depends_on: ["a"], params: { x: Infinity } }] };
    assert.deepEqual(told("submitWorkflow", { body }), [
      '/body/steps/0/depends_on/0 makes a cycle: "a" needs "a"',
      "/body/steps/0/params/x must be within the range of a double",
    ]);
  });

  for (const [label, ...faults] of [
    [undefined],
    ["a=b"],
    [["a=b", "b=a"]],
    [["a=b=c", "aa=b"]],
    [["a=1", "b=1", "a=2"], '/query/label/2 asks for the label "a" a second time'],
    [["a=1", "a=1"], '/query/label/1 asks for the label "a" a second time'],
    [["__proto__=1", "__proto__=2"], '/query/label/1 asks for the label "__proto__" a second time'],
    [[1, { a: 1 }]],
  ] as const)
    it(`finds ${faults.length} faults in the labels ${JSON.stringify(label)}`, () => {
      assert.deepEqual(told("listWorkflows", { label }), faults);
    });

  for (const [lastEventId, isFault] of [
    [undefined, false],
    ["0", false],
    ["007", false],
    ["18446744073709551615", false],
    ["18446744073709551616", true],
    ["99999999999999999999", true],
    ["100000000000000000000", false],
    ["abc", false],
  ] as const)
    it(`${isFault ? "refuses" : "has nothing against"} the Last-Event-ID ${lastEventId ?? "that is absent"}`, () => {
      const faults = ["/headers/last-event-id must be at most 18446744073709551615"];
      assert.deepEqual(told("streamWorkflowEvents", { lastEventId }), isFault ? faults : []);
    });

  for (const [filters, ...faults] of [
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
    it(`finds ${faults.length} faults in the filters ${JSON.stringify(filters)}`, () => {
      assert.deepEqual(told("rankDesigns", { body: { filters } }), faults);
    });

  it("says of a bound beyond a double no more than that", () => {
    assert.deepEqual(told("rankDesigns", { body: { filters: [{ min: Infinity, max: 1 }] } }), [
      "/body/filters/0/min must be within the range of a double",
    ]);
  });

  it("checks the bounds and the text of a ranking together", () => {
    const body = { metric: "\ud800", filters: [{ min: 1, max: 0 }] };
    assert.deepEqual(told("rankDesigns", { body }), [
      "/body/filters/0/max must not be less than min",
      "/body/metric must be well-formed Unicode",
    ]);
  });

  for (const body of [undefined, null, 1, "x", []])
    it(`has nothing against the ranking ${JSON.stringify(body)}`, () => {
      assert.deepEqual(told("rankDesigns", { body }), []);
    });

  it("tells no more faults of filters than an answer lists", () => {
    const filters = Array.from({ length: 300_000 }, () => ({ min: 1, max: 0 }));
    assert.equal(told("rankDesigns", { body: { filters } }).length, 100);
  });

  it("has no rules for other operations", () => {
    const body = { steps: [{ id: "a", depends_on: ["a"] }] };
    assert.deepEqual(told("getWorkflow", { body, label: ["a=1", "a=1"], lastEventId: "9".repeat(20) }), []);
  });
});
