import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { invalidRequest } from "../../src/errors/http-error.ts";
import { isObject } from "../../src/validation/is-object.ts";
import { createRequestChecks } from "../../src/validation/request-checks.ts";
import { violationsFromSchema } from "../../src/validation/schema-violations.ts";
import { oneStep } from "../support/samples.ts";

const { document, paths } = loadContract();
const submit = paths.flatMap((path) => path.operations).find(({ id }) => id === "submitWorkflow")!;
const check = createRequestChecks(document)(submit);
const faultsOf = (body: unknown) => check({ query: {}, headers: {}, params: {}, body });

/** What an answer tells of a body. */
function told(body: unknown): string[] {
  const { violations: faults } = invalidRequest(violationsFromSchema(faultsOf(body), new Map()));
  return faults.map(({ path, message }) => `${path} ${message}`);
}

const keys = (length: number, value: unknown = 1, before = "k") =>
  Object.fromEntries(Array.from({ length }, (_, index) => [`${before}${index}`, value]));
const list = (length: number, item: unknown) => Array.from({ length }, () => item);

/** A submission of steps that differ from a good one by `parts`. */
const submission = (length: number, parts: object) => ({
  name: "n",
  steps: Array.from({ length }, (_, index) => ({ id: `s${index}`, tool: "af2", ...parts })),
});

const many = 100_000;

describe("useBriefKeywords", () => {
  for (const [what, body] of [
    ["unknown properties of the body", { ...oneStep, ...keys(many) }],
    ["unknown properties of a step", submission(1, keys(many))],
    ["unknown properties of each of 256 steps", submission(256, keys(400))],
    ["unknown resources of each of 256 steps", submission(256, { resources: keys(400) })],
    ["wrong items in a list of each of 256 steps", submission(256, { depends_on: list(256, {}) })],
    [
      "wrong items in a long list of each of 256 steps",
      submission(256, { tool: "proteinmpnn", params: { fixed_positions: list(2000, {}) } }),
    ],
  ] as const)
    it(`stops at some of 100,000 ${what}, of which an answer is full`, () => {
      assert.ok(faultsOf(body).length < 5000);
      assert.equal(told(body).length, 100);
    });

  for (const [what, body, ...faults] of [
    ["labels", { ...oneStep, labels: keys(many) }, "/body/labels must NOT have more than 64 properties"],
    [
      "labels with wrong keys",
      { ...oneStep, labels: keys(many, "v", "=") },
      "/body/labels must NOT have more than 64 properties",
    ],
    [
      "params",
      submission(1, { params: keys(many) }),
      "/body/steps/0/params must NOT have more than 256 properties",
    ],
    ["steps", { name: "n", steps: list(many, {}) }, "/body/steps must NOT have more than 256 items"],
    [
      "dependencies",
      submission(1, { depends_on: list(many, 1) }),
      "/body/steps/0/depends_on must NOT have more than 256 items",
    ],
  ] as const)
    it(`looks at none of 100,000 ${what}, which are refused for their number`, () => {
      assert.ok(faultsOf(body).length < 10);
      assert.deepEqual(told(body), faults);
    });

  it("tells every fault of a request that has as many as an answer lists", () => {
    const body = submission(25, { tool: "af3", a: 1, b: 1, params: { a: 1 }, depends_on: ["a", 2] });
    assert.deepEqual(
      told(body).sort(),
      body.steps
        .flatMap((_, index) => [
          `/body/steps/${index}/a is not a property of this object`,
          `/body/steps/${index}/b is not a property of this object`,
          `/body/steps/${index}/depends_on/1 must be string`,
          `/body/steps/${index}/tool must be equal to one of the allowed values: rfdiffusion, proteinmpnn, boltz, af2`,
        ])
        .sort(),
    );
  });

  it("leaves params that the contract does not name to the tool, whatever they hold", () => {
    const params = { deep: keys(many), long: list(many, {}), "": null, __proto: [[], "", 1.5] };
    assert.deepEqual(faultsOf(submission(1, { params })), []);
  });

  it("accepts as many labels, params, steps and dependencies as the contract allows", () => {
    const depends_on = Array.from({ length: 256 }, (_, index) => `s${index}`);
    const body = { ...submission(256, { depends_on, params: keys(256) }), labels: keys(64, "v") };
    assert.deepEqual(faultsOf(body), []);
  });

  for (const id of ["a", "__proto__", "constructor"])
    it(`finds the dependency ${id} a second time`, () => {
      assert.deepEqual(told(submission(1, { depends_on: ["b", id, "c", id] })), [
        "/body/steps/0/depends_on must NOT have duplicate items (items ## 1 and 3 are identical)",
      ]);
    });

  it("knows all that the contract uses", () => {
    (function visit(value: unknown): void {
      if (Array.isArray(value)) return value.forEach(visit);
      if (!isObject(value)) return;
      for (const keyword of ["patternProperties", "prefixItems", "unevaluatedItems", "unevaluatedProperties"])
        assert.equal(keyword in value, false, keyword);
      if (value.uniqueItems === true) assert.deepEqual(value.items, { $ref: "#/components/schemas/StepId" });
      Object.values(value).forEach(visit);
    })(document);
  });
});
