import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { withConstraints } from "../../src/validation/constraints.ts";
import { invalidRequest } from "../../src/errors/http-error.ts";
import { isObject } from "../../src/validation/json-object.ts";
import { createRequestValidators } from "../../src/validation/request-validator.ts";
import { oneStep } from "../support/samples.ts";

const { document, paths } = loadContract();
const submit = paths.flatMap((path) => path.operations).find(({ id }) => id === "submitWorkflow")!;
const validate = createRequestValidators(document)(submit);
const violationsOf = (body: unknown) => validate({ query: {}, headers: {}, params: {}, body });

/** The violations of a body that a response lists, each as `path message`. */
function listed(body: unknown): string[] {
  return invalidRequest(violationsOf(body)).violations.map(({ path, message }) => `${path} ${message}`);
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

describe("useBoundedKeywords", () => {
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
    it(`stops early at 100,000 ${what}, with as many violations as a response lists`, () => {
      assert.ok(violationsOf(body).length < 5000);
      assert.equal(listed(body).length, 100);
    });

  for (const [what, body, ...violations] of [
    ["labels", { ...oneStep, labels: keys(many) }, "/body/labels must not have more than 64 properties"],
    [
      "labels with wrong keys",
      { ...oneStep, labels: keys(many, "v", "=") },
      "/body/labels must not have more than 64 properties",
    ],
    [
      "params",
      submission(1, { params: keys(many) }),
      "/body/steps/0/params must not have more than 256 properties",
    ],
    ["steps", { name: "n", steps: list(many, {}) }, "/body/steps must not have more than 256 items"],
    [
      "dependencies",
      submission(1, { depends_on: list(many, 1) }),
      "/body/steps/0/depends_on must not have more than 256 items",
    ],
  ] as const)
    it(`visits none of 100,000 ${what}, whose number is rejected`, () => {
      assert.ok(violationsOf(body).length < 10);
      assert.deepEqual(listed(body), violations);
    });

  for (const [characters, name] of [
    ["256 characters of two code units", "🧬".repeat(256)],
    ["256 characters of one code unit", "é".repeat(256)],
  ] as const)
    it(`accepts ${characters} where at most 256 are allowed, and rejects one more`, () => {
      assert.deepEqual(listed({ ...oneStep, name }), []);
      const tooLong = ["/body/name must not have more than 256 characters"];
      assert.deepEqual(listed({ ...oneStep, name: `${name}A` }), tooLong);
      assert.deepEqual(listed({ ...oneStep, name: name.repeat(3) }), tooLong);
    });

  it("rejects an empty string where one character is required", () => {
    assert.deepEqual(listed(submission(1, { id: "" })), ["/body/steps/0/id must not be empty"]);
  });

  it("reports every violation of a request that has as many as a response lists", () => {
    const body = submission(25, { tool: "blast", a: 1, b: 1, params: { a: 1 }, depends_on: ["a", 2] });
    const unknown =
      "is not a property of this object; known properties: id, tool, depends_on, params, resources";
    assert.deepEqual(
      listed(body).sort(),
      body.steps
        .flatMap((_, index) => [
          `/body/steps/${index}/a ${unknown}`,
          `/body/steps/${index}/b ${unknown}`,
          `/body/steps/${index}/depends_on/1 must be string; put it in quotes`,
          `/body/steps/${index}/tool must be one of rfdiffusion, proteinmpnn, boltz, af2`,
        ])
        .sort(),
    );
  });

  it("distinguishes the keys of a map from the map", () => {
    assert.deepEqual(listed({ ...oneStep, labels: { "": "v", "=": "v", ["k".repeat(129)]: "v" } }), [
      "/body/labels has a key that must not be empty",
      "/body/labels must have keys without `=` or control characters",
      "/body/labels has a key that must not have more than 128 characters",
    ]);
  });

  it("accepts any value in params that the contract does not name", () => {
    const params = { deep: keys(many), long: list(many, {}), "": null, __proto: [[], "", 1.5] };
    assert.deepEqual(violationsOf(submission(1, { params })), []);
  });

  it("accepts as many labels, params, steps and dependencies as the contract allows", () => {
    const depends_on = Array.from({ length: 256 }, (_, index) => `s${index}`);
    const body = { ...submission(256, { depends_on, params: keys(256) }), labels: keys(64, "v") };
    assert.deepEqual(violationsOf(body), []);
  });

  for (const id of ["a", "__proto__", "constructor"])
    it(`reports the dependency ${id} that is listed twice`, () => {
      assert.deepEqual(listed(submission(1, { depends_on: ["b", id, "c", id] })), [
        "/body/steps/0/depends_on must not repeat an item (items 1 and 3 are equal)",
      ]);
    });

  it("covers all keywords of this kind that the contract uses", () => {
    (function visit(value: unknown): void {
      if (Array.isArray(value)) return value.forEach(visit);
      if (!isObject(value)) return;
      for (const keyword of ["patternProperties", "prefixItems", "unevaluatedItems", "unevaluatedProperties"])
        assert.equal(keyword in value, false, keyword);
      if (value.uniqueItems === true) assert.deepEqual(value.items, { $ref: "#/components/schemas/StepId" });
      Object.values(value).forEach(visit);
    })(withConstraints(document));
  });
});
