import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import type { Operation } from "../../src/contract.ts";
import { validatorDocument } from "../../src/validation/validator-document.ts";

const { document, paths } = loadContract();
const operations = paths.flatMap((path) => path.operations);
const operation = (id: string) => operations.find((operation) => operation.id === id)!;
const documentOf = (id: string, withResponses = false) =>
  validatorDocument(document, operation(id), withResponses);

/** Every reference in `value`. */
function referencesIn(value: unknown): string[] {
  return [...JSON.stringify(value).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!);
}

describe("validatorDocument", () => {
  for (const { id, method, template } of operations)
    it(`holds ${id} only, with all that it refers to`, () => {
      for (const withResponses of [false, true]) {
        const own = documentOf(id, withResponses);
        assert.deepEqual(Object.keys(own.paths), [template.replace("{key}", "{key}*")]);
        const item = Object.values(own.paths)[0]!;
        const methods = Object.keys(item).filter((name) => name !== "parameters");
        assert.deepEqual(methods, method === "get" ? ["get", "head"] : [method]);
        for (const reference of referencesIn(own)) {
          const [, , kind, name] = reference.split("/");
          assert.ok(own.components[kind!]?.[name!] !== undefined, reference);
        }
      }
    });

  it("leaves out components that nothing refers to, and answers unless they are asked for", () => {
    assert.deepEqual(Object.keys(documentOf("healthz").components), ["parameters"]);
    assert.equal(documentOf("getWorkflow").components["schemas"]?.["Workflow"], undefined);
    assert.ok(documentOf("getWorkflow", true).components["schemas"]?.["Workflow"]);
  });

  it("puts one condition for each tool in the place of the discriminator", () => {
    const step = documentOf("submitWorkflow").components["schemas"]?.["Step"] as Record<string, unknown>;
    assert.equal("discriminator" in step || "oneOf" in step, false);
    assert.deepEqual(
      step["allOf"],
      (
        [
          ["rfdiffusion", "RfdiffusionStep"],
          ["proteinmpnn", "ProteinmpnnStep"],
          ["boltz", "BoltzStep"],
          ["af2", "Af2Step"],
        ] as const
      ).map(([tool, schema]) => ({
        if: { required: ["tool"], properties: { tool: { const: tool } } },
        then: { $ref: `#/components/schemas/${schema}` },
      })),
    );
  });

  it("leaves the contract as it is", () => {
    const own = loadContract().document;
    for (const each of operations) validatorDocument(own, each, true);
    assert.deepEqual(own, loadContract().document);
  });

  it("throws on an operation that the contract does not have", () => {
    const foreign: Operation = { ...operation("healthz"), template: "/v1/none" };
    assert.throws(() => validatorDocument(document, foreign, false), /no get on \/v1\/none/);
  });
});
