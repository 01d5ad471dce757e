import { execFile } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

const here = import.meta.dirname;
const root = join(here, "../../..");
const cache = join(root, "node_modules/.cache/bench-peers");

/** The first build downloads and compiles everything. */
const buildTimeoutMs = 900_000;

/** The programs of a language, or why they are not there. */
export type Build<Programs> = { readonly programs: Programs } | { readonly skipped: string };

/**
 * Builds the gateway and the orchestrator in Go. The code that is generated from the contract is beside a copy of the
 * sources, so that no file of the repository changes.
 */
export function buildGo(): Promise<Build<{ readonly gateway: string; readonly orchestrator: string }>> {
  return build("go", async () => {
    const [folder, bin] = [join(cache, "go"), join(cache, "go-bin")];
    rmSync(folder, { recursive: true, force: true });
    cpSync(join(here, "go"), folder, { recursive: true });
    await run("go", ["install", "tool"], { cwd: folder, env: { GOBIN: bin } });
    const path = [bin, dirname(process.execPath), process.env["PATH"]].join(delimiter);
    const generate = ["generate", join(root, "proto")];
    await run(join(root, "node_modules/.bin/buf"), generate, { cwd: folder, env: { PATH: path } });
    await run("go", ["build", "-o", `${bin}/`, "./gateway", "./orchestrator"], { cwd: folder });
    return { gateway: join(bin, "gateway"), orchestrator: join(bin, "orchestrator") };
  });
}

/** Builds the gateway in Rust; its build script generates the code of the contract. */
export function buildRust(): Promise<Build<{ readonly gateway: string }>> {
  return build("cargo", async () => {
    const target = join(cache, "rust");
    const env = { CARGO_TARGET_DIR: target };
    await run("cargo", ["build", "--release", "--locked"], { cwd: join(here, "rust"), env });
    return { gateway: join(target, "release/peer") };
  });
}

async function build<Programs>(tool: string, make: () => Promise<Programs>): Promise<Build<Programs>> {
  mkdirSync(cache, { recursive: true });
  try {
    return { programs: await make() };
  } catch (error) {
    return { skipped: skipReason(tool, error) };
  }
}

/** Why a build failed, in one line: the program is not installed, or the first line that says what went wrong. */
export function skipReason(tool: string, error: unknown): string {
  const {
    code,
    killed,
    message,
    stderr = "",
  } = error as NodeJS.ErrnoException & {
    readonly killed?: boolean;
    readonly stderr?: string;
  };
  if (code === "ENOENT") return `${tool} is not installed`;
  if (killed === true) return `the build took more than ${buildTimeoutMs / 60_000} minutes`;
  const lines = stderr.split("\n").map((line) => line.trim());
  const reason = lines.find((line) => /^error|: |failed/i.test(line) && !/^go: downloading/.test(line));
  return `the build failed: ${reason ?? message.split("\n")[0]}`;
}

function run(
  file: string,
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
) {
  return execute(file, args, {
    cwd,
    env: { ...process.env, ...env },
    timeout: buildTimeoutMs,
    maxBuffer: 64 * 1024 * 1024,
  });
}
