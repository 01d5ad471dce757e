import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { until } from "../support/until.ts";

const main = join(import.meta.dirname, "main.ts");
const fixture = join(import.meta.dirname, "suite-fixture.ts");
const mocha = ["mocha", "--no-package", "--parallel", "--jobs", "2", "--timeout", "0", "--exit", fixture];
const run = [process.execPath, main, ...mocha];

/** Starts a command with a run in it, in a session of its own; resolves once its suite has started its processes. */
async function start([command = "", ...args]: readonly string[], settings: Record<string, string> = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...settings },
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  // The processes of the suite hold it, whatever becomes of the run.
  const released = once(child.stdout, "close");
  for await (const line of createInterface(child.stdout)) {
    if (!line.startsWith("{")) continue;
    child.stdout.resume();
    const { pids, folder } = JSON.parse(line) as { pids: number[]; folder: string };
    return { child, ended, released, pids, folder };
  }
  throw new Error("the suite has not started");
}

/** Resolves once nothing holds the run's output, and its processes and its folder are gone. */
async function isGone({ released, pids, folder }: Awaited<ReturnType<typeof start>>): Promise<void> {
  await released;
  await until(() => !pids.some(isThere) && !existsSync(folder));
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function killGroupOf({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  process.kill(-pid!, signal);
}

describe("test/run/main.ts", () => {
  it("leaves no process and no file when its suite ends, and has its status", async () => {
    const started = await start(run, { FIXTURE_ENDS: "yes" });
    assert.deepEqual(await started.ended, [0, null]);
    assert.ok(!existsSync(started.folder));
    await isGone(started);
  });

  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)
    it(`leaves nothing when ${signal} ends it`, async () => {
      const started = await start(run);
      // A terminal sends it to all of the foreground process group.
      killGroupOf(started.child, signal);
      assert.deepEqual(await started.ended, [status, null]);
      assert.ok(!existsSync(started.folder));
      await isGone(started);
    });

  it("leaves nothing when SIGKILL ends it", async () => {
    const started = await start(run);
    started.child.kill("SIGKILL");
    await isGone(started);
  });

  it("leaves nothing when SIGKILL ends its parent", async () => {
    const started = await start(["sh", "-c", `"$@"; exit 0`, "sh", ...run]);
    started.child.kill("SIGKILL");
    await isGone(started);
  });

  it("exits with the status of its command, and prints why one does not start", async () => {
    const statusOf = async (...command: string[]) => {
      const child = spawn(process.execPath, [main, ...command], { stdio: ["ignore", "ignore", "pipe"] });
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const [code] = (await once(child, "close")) as [number | null];
      return { code, stderr };
    };
    assert.deepEqual(await statusOf("sh", "-c", "exit 7"), { code: 7, stderr: "" });
    assert.deepEqual(await statusOf("sh", "-c", "kill -KILL $$"), { code: 137, stderr: "" });
    assert.deepEqual(await statusOf("no-such-command"), {
      code: 127,
      stderr: "test/run: spawn no-such-command ENOENT\n",
    });
  });
});
