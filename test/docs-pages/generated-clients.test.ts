import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readRecipes } from "../generated-clients/recipes.ts";
import { readPage, rows } from "../support/pages.ts";

const page = readPage("docs/generated-clients.md");
const [introduction = ""] = page.split(/^## /m);
const recipes = readRecipes("http://127.0.0.1:1");

/** Name, version and language of each generator in the table. A row without a name continues the one above. */
const generators: [name: string, version: string, language: string][] = [];
for (const [link = "", version = "", language = ""] of rows(introduction, /^(\[|$)/)) {
  const above = generators.at(-1) ?? ["", ""];
  generators.push([/\[(.*?)\]/.exec(link)?.[1] ?? above[0], version || above[1], language]);
}

// test/generated-clients runs the recipes.
describe("docs/generated-clients.md", () => {
  it("has a recipe for each generator of its table, and no other", () =>
    assert.deepEqual(
      recipes.map(({ name }) => name).toSorted(),
      generators.map(([name, , language]) => `${language} with ${name}`).toSorted(),
    ));

  it("gives the versions that the recipes run", () => {
    const pinned = [
      ...recipes.map(({ commands }) => commands),
      ...(page.match(/`cargo install .*`/g) ?? []),
      ...["test/generated-clients/requirements.txt", "package.json"].map((file) =>
        readFileSync(file, "utf8"),
      ),
    ].join("\n");
    for (const [name, version] of generators)
      assert.match(pinned, new RegExp(`${name}\\S*?[@=": v]+${version.replaceAll(".", "\\.")}\\b`), name);
    const [, installed] = /`pip install (\S+)`/.exec(page) ?? [];
    assert.ok(installed !== undefined && pinned.includes(`\n${installed} `), installed);
  });

  it("reads the document of the gateway in each recipe", () => {
    for (const { name, commands } of recipes)
      assert.ok(commands.startsWith("curl -fsSO http://127.0.0.1:1/v1/openapi.yaml\n"), name);
  });
});
