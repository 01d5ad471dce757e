import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { productionPackages } from "./production-packages.ts";
import type { Lock } from "./production-packages.ts";

/** The formats, each with its file. */
const formats = { cyclonedx: "sbom.cdx.json", spdx: "sbom.spdx.json" };

const notInstalled = { devDependencies: undefined, optionalDependencies: undefined };

/**
 * Writes the software bills of materials of the packages in the image. npm creates them from a copy of the lock file with
 * only these packages: `npm sbom --omit=dev` would also omit production packages that a development package needs.
 */
function writeBills(): void {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { readonly name: string };
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  const temporary = mkdtempSync(join(tmpdir(), "foldforge-sbom-"));
  try {
    // npm names a bill after the folder.
    const folder = join(temporary, manifest.name);
    mkdirSync(folder);
    const write = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value));
    write("package.json", { ...manifest, ...notInstalled });
    write("package-lock.json", {
      ...lock,
      packages: { "": { ...lock.packages[""], ...notInstalled }, ...productionPackages(lock) },
    });
    for (const [format, file] of Object.entries(formats)) {
      const args = ["sbom", "--package-lock-only", `--sbom-format=${format}`, "--sbom-type=application"];
      const bill = execFileSync("npm", args, { cwd: folder, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
      // SPDX 2.3 has no fractions of a second; npm writes some.
      writeFileSync(file, bill.replace(/("created": "[^".]+)\.\d+Z"/, '$1Z"'));
    }
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

writeBills();
console.log(`the software bill of materials is in ${Object.values(formats).join(" and ")}`);
