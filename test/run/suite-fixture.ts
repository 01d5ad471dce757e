/**
 * A suite that starts processes as tests do, prints their ids and its folder in a line of JSON, and ends at once where
 * FIXTURE_ENDS is set, never otherwise. All of them hold the stdout of the run.
 */
import { spawn } from "node:child_process";
import type { SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const stubborn = `for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);
  process.send("started");
  setInterval(() => undefined, 1e6);`;

async function start(options: SpawnOptions): Promise<number> {
  const child = spawn(process.execPath, ["-e", stubborn], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    ...options,
  });
  await once(child, "message");
  child.disconnect();
  child.unref();
  return child.pid!;
}

describe("a suite", () => {
  it("starts processes", async () => {
    const folder = mkdtempSync(join(tmpdir(), "left-"));
    const pids = [await start({}), await start({ detached: true }), process.pid];
    console.log(JSON.stringify({ pids, folder }));
    if (!process.env["FIXTURE_ENDS"]) await new Promise(() => setInterval(() => undefined, 1e6));
  });
});
