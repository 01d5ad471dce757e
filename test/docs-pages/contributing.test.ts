import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { assertPasses, createScratch } from "../check/scratch-fixture.ts";
import { blocks, code, readPage, rows, section } from "../support/pages.ts";

const page = readPage("CONTRIBUTING.md");

describe("CONTRIBUTING.md", () => {
  it("lists every command of the Makefile", () => {
    const documented = rows(section(page, "Commands"), /^`make/).flatMap(([command]) => code(command));
    const listed = execFileSync("make", ["help"], { encoding: "utf8" }).match(/^make \w+/gm) ?? [];
    assert.deepEqual(documented.toSorted(), [...listed].sort());
  });

  it("lists every entry of src, and only what exists", () => {
    const places = rows(section(page, "Layout"), /^`/).flatMap(([place]) => code(place));
    for (const place of places) assert.ok(existsSync(place), `${place} does not exist`);
    const entries = readdirSync("src", { withFileTypes: true }).map(
      (entry) => `src/${entry.name}${entry.isDirectory() ? "/" : ""}`,
    );
    assert.deepEqual(
      entries.filter((entry) => !places.includes(entry)),
      [],
    );
  });

  it("changes the contract with the edit and the commands as written", async () => {
    const text = section(page, "Changing the contract");
    const [[diff = ""], [change = ""]] = [blocks(text, "diff"), blocks(text, "sh")];
    using scratch = { ...createScratch(), [Symbol.dispose]: () => scratch.remove() };
    await scratch.commitAs("main");
    scratch.write("note.diff", diff);
    assertPasses(await scratch.run("git", "apply", "-p0", "note.diff"));
    assertPasses(await scratch.run("sh", "-euc", `rm note.diff\n${change}`));
    assert.match(scratch.read("generated/openapi/gateway.v1.ts"), /note\?: components/);
  });
});
