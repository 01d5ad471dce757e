import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * Runs the public conformance suite (https://github.com/connectrpc/conformance) against the gateway's gRPC
 * transport: installs it with Go into a temporary folder, runs the cases that fit, and prints their count in
 * one line. Exits with 1 when Go is missing, or when a case fails that is not known to fail.
 */
const suite = { module: "connectrpc.com/conformance", version: "v1.0.7" };

const execute = promisify(execFile);
const here = import.meta.dirname;

try {
  await execute("go", ["version"]).catch(() => {
    throw new Error("Go is needed to run the conformance suite; see https://go.dev/dl");
  });
  const folder = await mkdtemp(join(tmpdir(), "conformance-"));
  try {
    console.log(`conformance: ${await runSuite(folder)}`);
  } finally {
    await rm(folder, { recursive: true });
  }
} catch (error) {
  console.error(`conformance: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/** Runs the suite from `folder`; the count of its cases, or an error with what failed. */
async function runSuite(folder: string): Promise<string> {
  console.log("conformance: building the suite");
  const go = { cwd: folder, env: { ...process.env, GOBIN: folder } };
  await execute("go", ["install", `${suite.module}/cmd/connectconformance@${suite.version}`], go);
  const download = await execute("go", ["mod", "download", "-json", `${suite.module}@${suite.version}`], go);
  const { Dir: source } = JSON.parse(download.stdout) as { Dir: string };
  const image = join(folder, "suite.binpb");
  // Without a configuration of its own, buf would want the registry for what the suite only lints with.
  await execute("buf", ["build", join(source, "proto"), "--config", '{"version":"v2"}', "--output", image]);
  const program = [process.execPath, join(here, "client.ts"), image];
  const { stdout } = await execute(
    join(folder, "connectconformance"),
    [
      ...["--mode", "client", "--conf", join(here, "features.yaml")],
      ...["--known-failing", `@${join(here, "known-failing.txt")}`, "--", ...program],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  ).catch((error: unknown) => {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`the suite failed\n${stdout}${stderr}`);
  });
  return countOf(stdout);
}

/** The last lines of the suite's output in one. */
function countOf(output: string): string {
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0);
  const passed = number(/(\d+) passed/);
  if (passed === 0) throw new Error(`the suite ran no case\n${output}`);
  const failed = number(/(\d+) failed$/m);
  const known = number(/Another (\d+) failed as expected/);
  return `${passed} passed, ${failed} failed, ${known} known to fail`;
}
