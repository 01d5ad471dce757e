import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { findPrograms } from "./programs.ts";
import { readRecipes } from "./recipes.ts";

/** Runs `make clients` for the recipes whose heading contains `name`. */
function runClients(name: string, path = process.env["PATH"]) {
  const env = { ...process.env, CLIENTS: name, PATH: path };
  return new Promise<{ status: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, "main.ts")], { env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

describe("make clients", () => {
  // Those that download nothing.
  for (const name of ["TypeScript with hey-api", "TypeScript with openapi-generator"])
    it(`generates and runs a client in ${name}`, async function () {
      using folder = temporaryFolder();
      const recipe = readRecipes("").find((candidate) => candidate.name === name);
      const missing = findPrograms(folder.path).missing(recipe?.programs ?? []);
      if (missing !== undefined) {
        console.log(`      skipped: ${missing} is missing`);
        return this.skip();
      }
      const { status, stdout, stderr } = await runClients(name);
      assert.deepEqual({ status, stdout }, { status: 0, stdout: `clients: ${name}: ok\n` }, stderr);
    });

  it("tells which program is missing, and passes", async () => {
    const { status, stdout } = await runClients("hey-api", "");
    assert.deepEqual(
      { status, stdout },
      { status: 0, stdout: "clients: TypeScript with hey-api: skipped: curl is missing\n" },
    );
  });

  it("tells the first error of a generator, shows its output, and fails", async () => {
    using folder = temporaryFolder();
    const curl = "#!/bin/sh\necho start\necho 'curl: (7) error' >&2\nexit 7\n";
    writeFileSync(join(folder.path, "curl"), curl, { mode: 0o755 });
    const path = [folder.path, process.env["PATH"]].join(delimiter);
    assert.deepEqual(await runClients("hey-api", path), {
      status: 1,
      stdout: "clients: TypeScript with hey-api: failed: curl: (7) error\n",
      stderr: "  start\n  curl: (7) error\n",
    });
  });

  it("fails for a name that no recipe has", async () => {
    const { status, stderr } = await runClients("COBOL");
    assert.equal(status, 1);
    assert.equal(stderr, 'clients: no heading contains "COBOL"\n');
  });
});
