import assert from "node:assert/strict";
import { readRecipes } from "./recipes.ts";

describe("readRecipes", () => {
  const recipes = readRecipes("http://127.0.0.1:1");
  const named = (wanted: string) => recipes.find(({ name }) => name === wanted)!;

  it("calls the gateway in commands and files", () => {
    const { commands, files } = named("Python with openapi-generator");
    assert.match(commands, /^curl -fsSO http:\/\/127\.0\.0\.1:1\/v1\/openapi\.yaml$/m);
    assert.match(files.get("client.py") ?? "", /host="http:\/\/127\.0\.0\.1:1"/);
  });

  it("has every file and every command of a section", () => {
    const { commands, files } = named("TypeScript with hey-api");
    assert.deepEqual([...files.keys()], ["client.ts", "openapi-ts.config.ts"]);
    assert.match(commands, /\nnode client\.ts\n$/);
  });

  it("names the programs of the commands, but for those that the recipe installs", () => {
    assert.deepEqual(named("Python with openapi-generator").programs, [
      "curl",
      "openapi-generator-cli",
      "python3",
    ]);
    assert.deepEqual(named("Go with oapi-codegen").programs, ["curl", "go", "mkdir"]);
    assert.deepEqual(named("Rust with progenitor").programs, ["curl", "jq", "cargo-progenitor", "cargo"]);
  });
});
