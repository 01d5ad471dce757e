/**
 * Runs the command that its arguments give, and ends as that ends. No process of the run and none of its temporary
 * files outlives it, whatever ends it: the end of the command, a signal, or SIGKILL of this program or of its parent.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { runVariable } from "./run-processes.ts";

const [command = "", ...args] = process.argv.slice(2);
const run = randomUUID();
const folder = join(tmpdir(), `foldforge-run-${run.slice(0, 8)}`);

// In a session of its own: what ends the run does not reach it. Its stdin ends with this process.
const cleaner = spawn(process.execPath, [join(import.meta.dirname, "cleaner.ts"), run, folder], {
  detached: true,
  stdio: ["pipe", "ignore", "inherit"],
});
const cleaned = once(cleaner, "exit");
// Programs that a test runs as another user reach what it makes for them.
mkdirSync(folder, 0o711);

const child = spawn(command, args, {
  env: { ...process.env, TMPDIR: folder, [runVariable]: `${process.env[runVariable] ?? ""} ${run}` },
  detached: true,
  stdio: "inherit",
});
if (child.pid !== undefined) cleaner.stdin.write(String(child.pid));

const ended = Promise.withResolvers<number>();
child.once("error", (error) => {
  console.error(`test/run: ${error.message}`);
  ended.resolve(127);
});
child.once("exit", (code, signal) => ended.resolve(code ?? statusAfter(signal ?? "SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => ended.resolve(statusAfter(signal)));
}

// A process is not notified of its parent's end; it only gets another parent.
const parent = process.ppid;
const parentCheck = setInterval(() => {
  if (process.ppid !== parent) ended.resolve(statusAfter("SIGHUP"));
}, 500);

process.exitCode = await ended.promise;
clearInterval(parentCheck);
cleaner.stdin.end();
await cleaned;

/** The exit status that a shell gives a command which a signal has ended. */
function statusAfter(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
