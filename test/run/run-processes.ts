import { readdirSync, readFileSync } from "node:fs";

/**
 * The environment variable that holds the id of a test run; each process of the run inherits it. A run within a run
 * adds its own, so that its processes are the outer one's too.
 */
export const runVariable = "FOLDFORGE_TEST_RUN";

/** The process ids of a run, in whichever process group or session. Empty on systems without /proc. */
export function processesOf(run: string): number[] {
  const isOfRun = (pid: string) =>
    read(() => readFileSync(`/proc/${pid}/environ`, "latin1"), "")
      .split("\0")
      .some((entry) => entry.startsWith(`${runVariable}=`) && entry.includes(run));
  return read(() => readdirSync("/proc"), [])
    .filter((name) => /^\d+$/.test(name) && isOfRun(name))
    .map(Number);
}

/** The process ids of all descendants of a process. Empty on systems without /proc. */
export function descendantsOf(pid: number): number[] {
  const children = read(() => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"), "");
  return (children.match(/\d+/g) ?? []).map(Number).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Sends SIGKILL to a process, or to the process group `-pid`; one that has ended already is no error. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended, or is another user's.
  }
}

/** The result of `readFile`; `otherwise` for a process that has ended, or belongs to another user. */
function read<T>(readFile: () => T, otherwise: T): T {
  try {
    return readFile();
  } catch {
    return otherwise;
  }
}
