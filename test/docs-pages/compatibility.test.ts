import assert from "node:assert/strict";
import { deprecatedNames } from "../../src/settings/schema.ts";
import { code, readPage, rows, section } from "../support/pages.ts";

describe("docs/compatibility.md", () => {
  it("lists every deprecated setting with those that replace it", () => {
    const table = rows(section(readPage("docs/compatibility.md"), "Deprecated settings"), /^`/);
    assert.deepEqual(
      table.map(([name, replacements]) => [code(name)[0], code(replacements)]),
      [...deprecatedNames],
    );
  });
});
