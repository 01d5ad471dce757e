import { readFileSync } from "node:fs";
import type { Usage } from "../processes.ts";

/** The unit of times in /proc: Linux shows 100 ticks a second on every machine (proc(5), USER_HZ). */
const microsPerTick = 10_000;

/** What a process has used, as /proc shows it: the CPU time of all threads, also of those that have ended. */
export function usageOf(pid: number): Usage {
  return {
    cpuMicros: cpuMicrosFrom(readFileSync(`/proc/${pid}/stat`, "latin1")),
    residentBytes: residentBytesFrom(readFileSync(`/proc/${pid}/status`, "latin1")),
  };
}

/** User and system time, the fields 14 and 15 of proc(5)'s stat, in microseconds. */
export function cpuMicrosFrom(stat: string): number {
  // The second field, the name in parentheses, may contain spaces and parentheses.
  const fromThird = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fromThird[11]) + Number(fromThird[12]);
  if (Number.isNaN(ticks)) throw new Error(`not the stat of a process: ${stat}`);
  return ticks * microsPerTick;
}

/** The resident memory of proc(5)'s status, in bytes. */
export function residentBytesFrom(status: string): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kibibytes === undefined) throw new Error(`no VmRSS in the status of a process: ${status}`);
  return 1024 * Number(kibibytes);
}
