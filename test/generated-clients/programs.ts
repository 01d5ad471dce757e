import { execFile, spawnSync } from "node:child_process";
import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "../..");
const cache = join(root, "node_modules/.cache/generated-clients");
const installedGenerator = join(cache, "bin/openapi-generator-cli");

/** Finds the programs that recipes run. */
export interface Programs {
  /** The PATH of the recipes. */
  readonly path: string;
  /** The first of `names` that is missing, or undefined. */
  missing(names: readonly string[]): string | undefined;
}

/**
 * Finds programs on the PATH, and those of npm packages. OPENAPI_GENERATOR_JAR names the jar of openapi-generator; without
 * it, `make clients` installs the version of requirements.txt once. `folder` is for programs that this writes.
 */
export function findPrograms(folder: string): Programs {
  const generator = join(folder, "openapi-generator-cli");
  const jar = process.env["OPENAPI_GENERATOR_JAR"];
  if (jar)
    writeFileSync(generator, '#!/bin/sh\nexec java -jar "$OPENAPI_GENERATOR_JAR" "$@"\n', { mode: 0o755 });
  else if (existsSync(installedGenerator)) symlinkSync(installedGenerator, generator);
  const path = [folder, join(root, "node_modules/.bin"), dirname(process.execPath), process.env["PATH"]].join(
    delimiter,
  );
  const exists = (name: string) =>
    spawnSync("/bin/sh", ["-c", `command -v "$0"`, name], { env: { PATH: path } }).status === 0;
  return {
    path,
    missing: (names) =>
      names
        .flatMap((name) => (name === "openapi-generator-cli" ? ["java", name] : name))
        .find((name) => !exists(name)),
  };
}

/** Installs openapi-generator into the cache, unless it is there or a jar is named. Needs Python and Java. */
export async function installOpenApiGenerator(): Promise<void> {
  if (process.env["OPENAPI_GENERATOR_JAR"] || existsSync(installedGenerator)) return;
  const run = promisify(execFile);
  await run("java", ["-version"]);
  await run("python3", ["-m", "venv", cache]);
  const requirements = join(import.meta.dirname, "requirements.txt");
  await run(join(cache, "bin/pip"), [
    "install",
    "--quiet",
    "--require-hashes",
    "--requirement",
    requirements,
  ]);
}
