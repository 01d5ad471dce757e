import assert from "node:assert/strict";
import type { OperationId } from "../../src/contract.ts";
import { ruleFaults } from "../../src/validation/rules.ts";

/** The faults of a request that has no more than what rules look at. */
function told(operation: OperationId, { body, label, lastEventId }: Record<string, unknown>): string[] {
  const parts = { body, query: { label }, headers: { "last-event-id": lastEventId }, params: {} };
  return [...ruleFaults(operation, parts)].map(({ path, message }) => `${path} ${message}`);
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

  it("has no rules for other operations", () => {
    const body = { steps: [{ id: "a", depends_on: ["a"] }] };
    assert.deepEqual(told("getWorkflow", { body, label: ["a=1", "a=1"], lastEventId: "9".repeat(20) }), []);
  });
});
