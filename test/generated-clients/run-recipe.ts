import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { sha256 } from "../support/samples.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import type { Programs } from "./programs.ts";
import type { Recipe } from "./recipes.ts";

/** What came of a recipe. */
export type Outcome =
  | { readonly result: "ok" }
  | { readonly result: "failed"; readonly error: string; readonly output: string }
  | { readonly result: "skipped"; readonly missing: string };

const packages = resolve(import.meta.dirname, "../../node_modules");

/** What each program of the page prints, in this order. */
const printed =
  /^submitted (\S+)\nlisted \1\nINVALID_ARGUMENT \/body\/steps\/0\/depends_on\/0 .+\n[^]*^SUCCEEDED\ndownloaded ([0-9a-f]{64})\n/m;

/** Runs a recipe in a folder of its own. */
export async function runRecipe(recipe: Recipe, programs: Programs): Promise<Outcome> {
  const missing = programs.missing(recipe.programs);
  if (missing !== undefined) return { result: "skipped", missing };

  using folder = temporaryFolder();
  symlinkSync(packages, join(folder.path, "node_modules"));
  for (const [file, content] of recipe.files) writeFileSync(join(folder.path, file), content);
  const shell = spawn("sh", ["-euc", recipe.commands], {
    cwd: folder.path,
    // The coverage of the generators and of what they make is not that of the gateway.
    env: { ...process.env, NODE_V8_COVERAGE: undefined, PATH: programs.path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(shell, "close");
  const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
  const [code] = (await ended) as [number | null];
  const output = stdout + stderr;
  const failed = (error: string) => ({ result: "failed", error, output }) as const;
  if (code !== 0) return failed(firstError(output) ?? `exit code ${code}`);
  if (!hasProgram(recipe)) return { result: "ok" };

  const [, , hash] = printed.exec(stdout) ?? [];
  if (hash === undefined) return failed("the program has not printed what it should");
  const saved = readdirSync(folder.path)
    .filter((file) => file.endsWith(".pdb"))
    .map((file) => sha256(readFileSync(join(folder.path, file))));
  return saved.includes(hash) ? { result: "ok" } : failed("the program has not saved the artifact");
}

/** Whether the recipe uses the client that it generates. */
function hasProgram({ files }: Recipe): boolean {
  return [...files.values()].some((file) => file.includes("ff-demo-key"));
}

/** The first line that tells of an error, or else the last one; undefined without output. A log names files, too. */
function firstError(output: string): string | undefined {
  const lines = output
    .split("\n")
    .filter((line) => line.trim() !== "" && !/\b(DEBUG|INFO|WARN)\b/.test(line));
  return (
    lines.find((line) => /error|exception|fatal|panic|fail|not (found|supported)|cannot/i.test(line)) ??
    lines.at(-1)
  );
}
