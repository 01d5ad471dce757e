import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { assertPasses, createScratch } from "../check/scratch-fixture.ts";
import type { Scratch } from "../check/scratch-fixture.ts";
import { blocks, code, readPage, rows, section } from "../support/pages.ts";

const page = readPage("CONTRIBUTING.md");

describe("CONTRIBUTING.md", () => {
  it("lists every command of the Makefile", () => {
    const documented = rows(section(page, "Commands"), /^`make/).flatMap(([command]) => code(command));
    const listed = execFileSync("make", ["help"], { encoding: "utf8" }).match(/^make \w+/gm) ?? [];
    assert.deepEqual(documented.toSorted(), [...listed].sort());
  });

  it("lists the contract's own keywords", () => {
    const documented = rows(section(page, "Changing the contract"), /^`x-/).flatMap(([keyword]) =>
      code(keyword),
    );
    const used = readFileSync("openapi/gateway.v1.yaml", "utf8").match(/\bx-[a-z-]+(?=:)/g) ?? [];
    assert.deepEqual(documented.toSorted(), [...new Set(used)].sort());
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

  it("names files that exist", () => {
    for (const [path] of page.replace(/```diff[^]*?```/, "").matchAll(/\b(?:src|test)\/[\w./-]+\w/g))
      assert.ok(existsSync(path) || path === "src/a/b.ts" || path === "test/a/b.test.ts", path);
  });

  it("shows the stages in the order of the pipeline", () => {
    const pipeline = readFileSync("src/http/pipeline.ts", "utf8");
    const [life = ""] = blocks(section(page, "The life of a request"), "text");
    const stages = [...life.matchAll(/^ +│ +\d+ {2}(.+?)(?: {2}|$)/gm)].flatMap(([, names = ""]) =>
      names.split(", "),
    );
    assert.ok(stages.length > 10);
    const body = pipeline.slice(pipeline.indexOf("export function createPipeline"));
    const names: Record<string, string> = {
      router: "matchRoute",
      cors: "crossOrigin",
      "load shedding": "shedLoad",
      body: "bodyStages",
    };
    const positions = stages.map((stage) => {
      const name = names[stage] ?? stage.replace(/[ -](\w)/g, (_, letter: string) => letter.toUpperCase());
      const at = body.search(new RegExp(`\\b${name}\\b`));
      assert.ok(at > 0, name);
      return at;
    });
    assert.deepEqual(
      positions,
      positions.toSorted((a, b) => a - b),
    );
  });

  it("runs one test file, and the tests of one name", async () => {
    const [commands = ""] = blocks(section(page, "Commands"), "sh");
    for (const command of commands.trim().split("\n")) {
      const { stdout } = await promisify(execFile)("sh", ["-c", command]);
      assert.match(stdout, /[1-9]\d* passing/, command);
    }
  });

  describe("the change of the contract", () => {
    let scratch: Scratch;
    before("copy the work tree", () => (scratch = createScratch()));
    after("remove the copy", () => scratch.remove());

    it("passes the check of the contracts with the edit and the commands as written", async () => {
      const text = section(page, "Changing the contract");
      const [[diff = ""], [change = ""]] = [blocks(text, "diff"), blocks(text, "sh")];
      await scratch.commitAs("main", "buf.yaml", "proto", "openapi", "CHANGELOG.md");
      scratch.write("note.diff", diff);
      assertPasses(await scratch.run("git", "apply", "-p0", "note.diff"));
      // The next test checks the types. Style depends on no contract.
      assert.match(change, /^make check$/m);
      const commands = change.replace(/^make check$/m, "make check-contracts");
      assertPasses(await scratch.run("sh", "-euc", `rm note.diff\n${commands}`));
      assert.match(scratch.read("generated/openapi/gateway.v1.ts"), /note\?: components/);
    });

    it("is named if it breaks clients, and passes once the changelog states it as written", async () => {
      const text = section(page, "Breaking clients on purpose");
      const [[line = ""], [statement = ""]] = [blocks(text, "text"), blocks(text, "md")];
      scratch.edit("openapi/gateway.v1.yaml", "            maximum: 200\n", "            maximum: 100\n");
      const { output } = await scratch.run("node", "test/check/breaking.ts");
      assert.equal(output.split("\n")[0], line.trim());
      scratch.edit("CHANGELOG.md", "\n### Changed\n\n", `\n### Changed\n\n${statement}`);
      assertPasses(await scratch.run("node", "test/check/breaking.ts"));
    });

    it("passes the check of types, which fails only for a missing handler, operation or status", async () => {
      scratch.edit("generated/openapi/gateway.v1.ts", 'operations["healthz"]', 'operations["livez"]');
      scratch.edit("generated/openapi/gateway.v1.ts", "    healthz: {", "    livez: {");
      scratch.write("src/fewer-operations.ts", scratch.read("src/operations.ts"));
      scratch.edit("src/fewer-operations.ts", "    healthz: healthz(services.version),\n", "");
      scratch.edit("src/fewer-operations.ts", "import { healthz, metrics,", "import { metrics,");
      scratch.edit("src/errors/codes.ts", "  [Code.DataLoss]: internal,\n", "");
      const { status, output } = await scratch.run("oxlint", "--format=unix");
      assert.notEqual(status, 0);
      const errors = output
        .split("\n")
        .filter((line) => line.includes("typescript(TS"))
        .toSorted();
      for (const expected of [
        /^src\/errors\/codes\.ts:.* Property '15' is missing in type/, // Code.DataLoss
        /^src\/fewer-operations\.ts:.* Property 'livez' is missing in type/,
        /^src\/handlers\/health\.ts:.*'"healthz"' does not satisfy the constraint 'keyof operations'/,
        /^src\/operations\.ts:.*'healthz' does not exist in type 'Operations'/,
      ])
        assert.match(errors.shift() ?? "", expected);
      assert.deepEqual(errors, []);
    });
  });
});
