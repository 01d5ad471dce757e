import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { code, readPage, rows, section } from "../support/pages.ts";

describe("docs/api.md", () => {
  it("lists every route of the contract", () => {
    const documented = rows(section(readPage("docs/api.md"), "Routes"), /^`[A-Z]+ \//).flatMap(([route]) =>
      code(route),
    );
    const served = loadContract().paths.flatMap(({ operations }) =>
      operations.map(({ method, template }) => `${method.toUpperCase()} ${template}`),
    );
    assert.deepEqual(documented.toSorted(), served.sort());
  });
});
