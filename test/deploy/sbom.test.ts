import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { productionPackages } from "../../deploy/production-packages.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** The fields of a CycloneDX document that the tests read. */
interface CycloneDx {
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

/** The fields of an SPDX document that the tests read. */
interface Spdx {
  readonly spdxVersion: string;
  readonly SPDXID: string;
  readonly creationInfo: { readonly created: string };
  readonly documentDescribes: readonly string[];
  readonly packages: readonly {
    readonly SPDXID: string;
    readonly name: string;
    readonly versionInfo: string;
    readonly checksums?: readonly object[];
  }[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relatedSpdxElement: string;
  }[];
}

describe("make sbom", () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  let text = "";
  let bill: CycloneDx;
  let spdx: Spdx;
  before("create it in a temporary folder", () => {
    using folder = temporaryFolder();
    for (const name of ["package.json", "package-lock.json"]) cpSync(name, join(folder.path, name));
    execFileSync(process.execPath, [resolve("deploy/sbom.ts")], { cwd: folder.path });
    text = readFileSync(join(folder.path, "sbom.cdx.json"), "utf8");
    bill = JSON.parse(text);
    spdx = JSON.parse(readFileSync(join(folder.path, "sbom.spdx.json"), "utf8"));
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

  it("lists the same packages as SPDX 2.3, each related to another one by an id of its own", () => {
    assert.equal(spdx.spdxVersion, "SPDX-2.3");
    assert.match(spdx.creationInfo.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const [application, ...packages] = spdx.packages;
    assert.deepEqual(spdx.documentDescribes, [application?.SPDXID]);
    assert.deepEqual(
      packages.map(({ name, versionInfo }) => `${name}@${versionInfo}`).sort(),
      bill.components.map(({ name, version }) => `${name}@${version}`).sort(),
    );
    for (const { checksums = [] } of packages) assert.ok(checksums.length > 0);
    const ids = new Set([spdx.SPDXID, ...spdx.packages.map(({ SPDXID }) => SPDXID)]);
    assert.equal(ids.size, spdx.packages.length + 1);
    const related = spdx.relationships.flatMap((one) => [one.spdxElementId, one.relatedSpdxElement]);
    assert.deepEqual(new Set(related), ids);
  });

  it("writes files that git ignores", () => {
    assert.match(
      execFileSync("make", ["--dry-run", "sbom"], { encoding: "utf8" }),
      /^node deploy\/sbom.ts$/m,
    );
    const ignored = readFileSync(".gitignore", "utf8").split("\n");
    for (const pattern of ["*.cdx.json", "*.spdx.json"]) assert.ok(ignored.includes(pattern), pattern);
  });
});
