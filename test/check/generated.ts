/** Fails with the names of the files if `generated/` differs from what the contracts generate. */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fresh = mkdtempSync(join(tmpdir(), "foldforge-generated-"));
try {
  const { status } = spawnSync("make", ["--no-print-directory", "generate", `OUT=${fresh}`], {
    stdio: ["ignore", "ignore", "inherit"],
    // A make of its own, not one of the jobs of `make check`.
    env: { ...process.env, MAKEFLAGS: "" },
  });
  process.exitCode = status === 0 ? reportStale() : 1;
} finally {
  rmSync(fresh, { recursive: true });
}

/** Prints the files that differ, and returns the exit code. */
function reportStale(): number {
  const files = new Set([...filesUnder("generated"), ...filesUnder(join(fresh, "generated"))]);
  const stale = [...files].sort().flatMap((file) => {
    const [committed, expected] = [join("generated", file), join(fresh, "generated", file)];
    if (!existsSync(committed)) return [`${committed} is missing: run make generate`];
    if (!existsSync(expected)) return [`${committed} comes from no contract: delete it`];
    return readFileSync(committed).equals(readFileSync(expected))
      ? []
      : [`${committed} is stale: run make generate`];
  });
  for (const line of stale) console.error(line);
  return stale.length > 0 ? 1 : 0;
}

function filesUnder(folder: string): string[] {
  return globSync("**", { cwd: folder }).filter((file) => statSync(join(folder, file)).isFile());
}
