import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import type { OperationId } from "../../src/contract.ts";
import { isObject } from "../../src/validation/json-object.ts";
import { rejectNull } from "../../src/validation/reject-null.ts";
import { createRequestValidators } from "../../src/validation/request-validator.ts";

const { document, paths } = loadContract();
const operations = paths.flatMap((path) => path.operations);
const validatorOf = createRequestValidators(document);

/** The violations of a body, each as `path message`. */
function violationsOf(id: OperationId, body: unknown): string[] {
  const validate = validatorOf(operations.find((operation) => operation.id === id)!);
  const violations = validate({ query: {}, headers: {}, params: { id: "w1" }, body });
  return violations.map(({ path, message }) => `${path} ${message}`);
}

const step = (tool: string, parts: object) => ({ name: "n", steps: [{ id: "a", tool, ...parts }] });
const params = (tool: string) => (parts: object) => step(tool, { params: parts });

/** The schemas of request bodies: the operation, the path of such an object, and a body with it. */
const places: Record<string, [id: OperationId, path: string, bodyWith: (parts: object) => object]> = {
  WorkflowSpec: ["submitWorkflow", "/body", (parts) => ({ ...step("af2", {}), ...parts })],
  Step: ["submitWorkflow", "/body/steps/0", (parts) => step("af2", parts)],
  ResourceSpec: ["submitWorkflow", "/body/steps/0/resources", (resources) => step("af2", { resources })],
  RfdiffusionParams: ["submitWorkflow", "/body/steps/0/params", params("rfdiffusion")],
  ProteinmpnnParams: ["submitWorkflow", "/body/steps/0/params", params("proteinmpnn")],
  BoltzParams: ["submitWorkflow", "/body/steps/0/params", params("boltz")],
  Af2Params: ["submitWorkflow", "/body/steps/0/params", params("af2")],
  RankRequest: ["rankDesigns", "/body", (parts) => ({ metric: "m", ...parts })],
  RankFilter: [
    "rankDesigns",
    "/body/filters/0",
    (parts) => ({ metric: "m", filters: [{ metric: "m", ...parts }] }),
  ],
};

describe("rejectNull", () => {
  it("marks optional properties and the values of maps, at any depth", () => {
    const part = {
      required: ["a"],
      properties: { a: {}, b: { properties: { c: { type: "string" } } } },
      list: [{ additionalProperties: { type: "string" } }, { additionalProperties: true }],
    };
    const not = { type: "null" };
    assert.deepEqual(rejectNull(part), {
      required: ["a"],
      properties: { a: {}, b: { not, properties: { c: { type: "string", not } } } },
      list: [{ additionalProperties: { type: "string", not } }, { additionalProperties: true }],
    });
  });

  it("finds no other use of the keyword in the contract", () => {
    (function visit(value: unknown): void {
      if (Array.isArray(value)) return value.forEach(visit);
      if (!isObject(value)) return;
      assert.equal("not" in value, false);
      Object.values(value).forEach(visit);
    })(document);
  });
});

describe("a null in a request body", () => {
  for (const [name, [id, path, bodyWith]] of Object.entries(places)) {
    const schema = document.components["schemas"]![name] as {
      properties: Record<string, object>;
      required?: string[];
    };
    for (const property of Object.keys(schema.properties)) {
      const isOptional = schema.required?.includes(property) !== true;
      it(`${isOptional ? "can" : "cannot"} be left out as ${property} of ${name}, which the message says`, () => {
        const violations = violationsOf(id, bodyWith({ [property]: null }));
        const ofType = violations.filter((text) => text.startsWith(`${path}/${property} must be `));
        assert.ok(ofType.length > 0, String(violations));
        assert.equal(ofType[0]!.endsWith("; leave it out instead of sending null"), isOptional, ofType[0]);
      });
    }
  }

  it("is a value of a map that can be left out", () => {
    assert.deepEqual(violationsOf("submitWorkflow", { ...step("af2", {}), labels: { a: null } }), [
      "/body/labels/a must be string; leave it out instead of sending null",
    ]);
  });

  it("is like any other value in a list and for the whole body", () => {
    assert.deepEqual(violationsOf("submitWorkflow", step("af2", { depends_on: [null] })), [
      "/body/steps/0/depends_on/0 must be string",
    ]);
    assert.deepEqual(violationsOf("submitWorkflow", null), ["/body must be object"]);
  });

  it("is passed on in params that the contract does not name", () => {
    assert.deepEqual(violationsOf("submitWorkflow", step("af2", { params: { other: null } })), []);
  });
});
