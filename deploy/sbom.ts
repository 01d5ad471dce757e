import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { productionPackages } from "./production-packages.ts";
import type { Lock } from "./production-packages.ts";

const file = "sbom.cdx.json";

const notInstalled = { devDependencies: undefined, optionalDependencies: undefined };

/**
 * The software bill of materials of the packages in the image, as CycloneDX JSON. npm creates it from a copy of the lock
 * file with only these packages: `npm sbom --omit=dev` would also omit production packages that a development package
 * needs.
 */
function billOfMaterials(): string {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { readonly name: string };
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  const temporary = mkdtempSync(join(tmpdir(), "foldforge-sbom-"));
  try {
    // npm names the SBOM after the folder.
    const folder = join(temporary, manifest.name);
    mkdirSync(folder);
    const write = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value));
    write("package.json", { ...manifest, ...notInstalled });
    write("package-lock.json", {
      ...lock,
      packages: { "": { ...lock.packages[""], ...notInstalled }, ...productionPackages(lock) },
    });
    const args = ["sbom", "--package-lock-only", "--sbom-format=cyclonedx", "--sbom-type=application"];
    return execFileSync("npm", args, { cwd: folder, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

writeFileSync(file, billOfMaterials());
console.log(`the software bill of materials is in ${file}`);
