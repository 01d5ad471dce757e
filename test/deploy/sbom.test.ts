import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { productionPackages } from "../../deploy/production-packages.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** The fields of a bill of materials that the tests read. */
interface Bill {
  readonly specVersion: Spec.Version;
  readonly metadata: {
    readonly component: { readonly type: string; readonly name: string; readonly version: string };
  };
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly hashes: object[];
  }[];
}

describe("make sbom", () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  let text = "";
  let bill: Bill;
  before("create it in a temporary folder", () => {
    using folder = temporaryFolder();
    for (const name of ["package.json", "package-lock.json"]) cpSync(name, join(folder.path, name));
    execFileSync(process.execPath, [resolve("deploy/sbom.ts")], { cwd: folder.path });
    text = readFileSync(join(folder.path, "sbom.cdx.json"), "utf8");
    bill = JSON.parse(text);
  });

  it("matches the schema of CycloneDX", async () => {
    const validator = new Validation.JsonStrictValidator(bill.specVersion);
    assert.equal(await validator.validate(text), null);
    assert.notEqual(await validator.validate(text.replace('"bomFormat"', '"format"')), null);
  });

  it("lists every package of the image, and no other", () => {
    const { type, name, version } = bill.metadata.component;
    assert.deepEqual([type, name, version], ["application", manifest.name, manifest.version]);
    const installed = Object.entries(productionPackages(lock)).map(
      ([place, { version }]) => `${place.replace(/^.*node_modules\//, "")}@${version}`,
    );
    const listed = bill.components.map(({ name, version }) => `${name}@${version}`);
    assert.deepEqual(listed.toSorted(), [...new Set(installed)].sort());
    for (const name of Object.keys(manifest.dependencies))
      assert.ok(
        listed.some((entry) => entry.startsWith(`${name}@`)),
        name,
      );
    for (const { hashes } of bill.components) assert.ok(hashes.length > 0);
  });

  it("writes a file that git ignores", () => {
    assert.match(
      execFileSync("make", ["--dry-run", "sbom"], { encoding: "utf8" }),
      /^node deploy\/sbom.ts$/m,
    );
    assert.ok(readFileSync(".gitignore", "utf8").split("\n").includes("*.cdx.json"));
  });
});
