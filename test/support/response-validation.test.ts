import assert from "node:assert/strict";
import { contractFrom, loadContract } from "../../src/contract.ts";
import type { OpenApiDocument } from "../../src/contract.ts";
import { startDisposableStack } from "./stack.ts";

/** A copy of the contract in which one schema has another required property. */
function contractThatRequiresMore(schema: string) {
  const document: OpenApiDocument = structuredClone(loadContract().document);
  Object.assign(document.components["schemas"]![schema] as object, { required: ["bogus"] });
  return contractFrom(document);
}

describe("responseValidation", () => {
  for (const [what, schema, path, status] of [
    ["a success body", "Health", "/v1/healthz", 200],
    ["an error body", "Error", "/v1/workflows?other=1", 400],
    ["a body of another status than 200", "Readiness", "/v1/readyz", 503],
  ] as const)
    it(`responds 500 instead of ${what} that the contract does not allow`, async () => {
      for (const [contract, expected] of [
        [loadContract(), status],
        [contractThatRequiresMore(schema), 500],
      ] as const) {
        await using stack = await startDisposableStack({}, {}, { contract });
        const response = await stack.gateway.fetch(path, { headers: { "Accept-Encoding": "gzip" } });
        assert.equal(response.status, expected);
        assert.equal(/'bogus'/.test(await response.text()), expected === 500);
      }
    });

  it("responds 500 instead of a status that the contract does not have", async () => {
    const document: OpenApiDocument = structuredClone(loadContract().document);
    delete document.paths["/v1/healthz"]!.get!.responses["200"];
    await using stack = await startDisposableStack({}, {}, { contract: contractFrom(document) });
    assert.equal((await stack.gateway.fetch("/v1/healthz")).status, 500);
  });
});
