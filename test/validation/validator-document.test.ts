import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { validatorDocument } from "../../src/validation/validator-document.ts";

const { document } = loadContract();
const schemas = validatorDocument(document).components["schemas"] as Record<string, Record<string, unknown>>;

describe("validatorDocument", () => {
  it("puts one condition for each tool in the place of the discriminator", () => {
    const step = schemas["Step"]!;
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
    assert.deepEqual(document, loadContract().document);
  });
});
