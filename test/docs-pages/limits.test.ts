import assert from "node:assert/strict";
import { loadContract } from "../../src/contract.ts";
import { readPage, code, rows, section } from "../support/pages.ts";

const page = readPage("docs/limits.md");

describe("docs/limits.md", () => {
  it("gives the limits of fields as the contract has them", () => {
    const { schemas } = loadContract().document.components;
    const documented = rows(section(page, "Fields"), /^(?!field|-)/);
    assert.ok(documented.length > 5);
    for (const [field, limit = "", place] of documented) {
      const path = code(place)[0]?.split(".") ?? [];
      const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], schemas);
      assert.equal(Number.parseInt(limit.replace(",", "")), value, field);
    }
  });
});
