import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { loadContract } from "../src/contract.ts";

describe("CHANGELOG", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const titles = [...readFileSync("CHANGELOG.md", "utf8").matchAll(/^## (.*)$/gm)].map(([, title]) => title);

  it("begins with what is not released, and has the version of the package after it, with its date", () => {
    const [unreleased, newest = ""] = titles;
    assert.equal(unreleased, "[Unreleased]");
    assert.match(newest, /^\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$/);
    assert.ok(newest.startsWith(`[${version}] `));
  });

  it("speaks of the version that the contract tells", () => {
    assert.equal(loadContract().document.info.version, version);
  });

  it("groups changes by the kinds that Keep a Changelog has", () => {
    const kinds = [...readFileSync("CHANGELOG.md", "utf8").matchAll(/^### (.*)$/gm)].map(([, kind]) => kind);
    assert.ok(kinds.length > 0);
    for (const kind of kinds) assert.match(kind ?? "", /^(Added|Changed|Deprecated|Removed|Fixed|Security)$/);
  });
});
