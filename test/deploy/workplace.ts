import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../support/temporary-folder.ts";

const run = promisify(execFile);

/** A folder with a copy of deploy/, in which documented commands run. */
export interface Workplace extends Disposable {
  readonly path: string;
  /** Runs the commands in a shell that stops at the first failure. Resolves with their output. */
  sh(lines: string): Promise<string>;
}

/** Creates one; `programs` are scripts by name, first on the PATH. */
export function createWorkplace(programs: Readonly<Record<string, string>>): Workplace {
  const folder = temporaryFolder();
  cpSync("deploy", join(folder.path, "deploy"), { recursive: true });
  const bin = join(folder.path, "bin");
  mkdirSync(bin);
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), text);
    chmodSync(join(bin, name), 0o755);
  }
  const env = { ...process.env, PATH: [bin, process.env["PATH"]].join(delimiter) };
  return {
    path: folder.path,
    sh: async (lines: string) => (await run("sh", ["-euc", lines], { cwd: folder.path, env })).stdout,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
