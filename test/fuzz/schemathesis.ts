import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startDevStack } from "../support/dev-stack.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/**
 * Runs schemathesis (https://schemathesis.io) against a stack like that of `make dev` on free ports, with the settings of
 * schemathesis.toml, for about SCHEMATHESIS_SECONDS (default 90). Exits with its exit code.
 */
const seconds = process.env["SCHEMATHESIS_SECONDS"] || "90";

const root = resolve(import.meta.dirname, "../..");
const token = "ff-demo-key";

try {
  if (spawnSync("schemathesis", ["--version"]).status !== 0) {
    throw new Error("schemathesis is needed to run it; see https://schemathesis.io");
  }
  process.exitCode = await testStack();
} catch (error) {
  console.error(`schemathesis: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/** Starts the stack, tests it, and stops it. Returns the exit code of schemathesis. */
async function testStack(): Promise<number> {
  // An event id that was never sent leads to a broken connection while the workflow runs, which would be a failure.
  await using stack = await startDevStack(0.001);
  // Ctrl-C reaches schemathesis too, which then prints its results and exits.
  process.on("SIGINT", () => undefined).on("SIGTERM", () => undefined);
  return await runTester(stack.url);
}

async function runTester(url: string): Promise<number> {
  using folder = temporaryFolder();
  const config = join(folder.path, "schemathesis.toml");
  writeFileSync(
    config,
    `${readFileSync(join(root, "schemathesis.toml"), "utf8")}\n${await artifactSettings(url)}`,
  );
  const contract = join(root, "openapi/gateway.v1.yaml");
  const args = ["--config-file", config, "run", contract, "--url", url, "--max-time", seconds];
  // schemathesis leaves files in its working directory.
  const tester = spawn("schemathesis", args, { cwd: folder.path, stdio: "inherit" });
  const [code] = (await once(tester, "close")) as [number | null];
  return code ?? 1;
}

/** Settings that name an artifact: without them, no generated key would exist, and no download would succeed. */
async function artifactSettings(url: string): Promise<string> {
  const workflows = `${url}/v1/workflows`;
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ name: "sample", steps: [{ id: "design", tool: "rfdiffusion" }] });
  const submitted = await fetch(workflows, { method: "POST", headers, body });
  const { id } = (await submitted.json()) as { id: string };
  // The event stream ends when the workflow is terminal.
  await (await fetch(`${workflows}/${id}/events`, { headers })).text();
  const finished = await (await fetch(`${workflows}/${id}`, { headers })).text();
  const key = /"r2:\/\/[^/"]+\/([^"]+)"/.exec(finished)?.[1];
  if (key === undefined) throw new Error(`the sample has no outputs: ${finished}`);
  return [
    "[[operations]]",
    'include-operation-id = "downloadArtifact"',
    `parameters = { id = ${JSON.stringify(id)}, key = ${JSON.stringify(key)} }`,
    "",
  ].join("\n");
}
