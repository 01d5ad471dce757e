/**
 * Ends a test run: waits for the end of stdin, which names the run's process group, kills every process of the run
 * and removes its folder. Its arguments are the run's id and the folder.
 */
import { rmSync } from "node:fs";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { kill, processesOf } from "./run-processes.ts";

const [run = "", folder = ""] = process.argv.slice(2);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const group = Number(await text(process.stdin));
if (group > 0) kill(-group);
// Until there is none: a process may start another one before it is killed.
for (let left = processesOf(run); left.length > 0; left = processesOf(run)) {
  left.forEach(kill);
  await delay(10);
}
rmSync(folder, { recursive: true, force: true });
