import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { withConstraints } from "../../src/validation/constraints.ts";

describe("withConstraints", () => {
  it("adds the constraints of each schema to it, at any depth", () => {
    const part = {
      list: [{ type: "array", "x-constraints": { uniqueItems: true } }],
      object: {
        properties: {
          a: { "x-constraints": { type: ["string", "array"], items: { "x-constraints": { type: "null" } } } },
        },
      },
    };
    assert.deepEqual(withConstraints(part), {
      list: [{ type: "array", uniqueItems: true }],
      object: { properties: { a: { type: ["string", "array"], items: { type: "null" } } } },
    });
  });

  it("lets a constraint replace the keyword that generators see", () => {
    assert.deepEqual(withConstraints({ maxLength: 2, "x-constraints": { maxLength: 1 } }), { maxLength: 1 });
  });

  it("leaves nothing of the keyword in the contract, and does not modify it", () => {
    const { document } = loadContract();
    assert.ok(JSON.stringify(document).includes('"x-constraints":'));
    assert.ok(!JSON.stringify(withConstraints(document)).includes('"x-constraints":'));
    assert.deepEqual(document, loadContract().document);
  });
});
