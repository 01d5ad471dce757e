import { readFileSync, writeFileSync } from "node:fs";

/** The peak of a process's resident memory, in bytes; undefined without /proc. */
export function peakResidentBytes(pid: number): number | undefined {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(statusOf(pid)) ?? [];
  return kibibytes === undefined ? undefined : 1024 * Number(kibibytes);
}

/** The resident memory of a process, in bytes; undefined without /proc. */
export function residentBytes(pid: number): number | undefined {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(statusOf(pid)) ?? [];
  return kibibytes === undefined ? undefined : 1024 * Number(kibibytes);
}

/** Resets the peak of a process (proc(5), clear_refs). */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return "";
  }
}
