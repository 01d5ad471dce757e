import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A group of processes whose memory the kernel bounds, as it bounds a container's. */
export interface MemoryCgroup {
  /** The command that runs another one, with its arguments after its own, in the group. */
  readonly run: readonly [command: string, ...args: string[]];
  /** How often the kernel has ended a process of the group because of its memory; undefined if it is not reported. */
  kills(): number | undefined;
  /** Removes it, once its processes have gone. */
  remove(): void;
}

/** The root folder and the files of each version of cgroups. */
const versions = [
  { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", events: "memory.oom_control" },
  { root: "/sys/fs/cgroup", limit: "memory.max", events: "memory.events" },
] as const;

let created = 0;

/** Creates one; undefined if the system has none or does not allow it. */
export function createMemoryCgroup(bytes: number): MemoryCgroup | undefined {
  for (const { root, limit, events } of versions) {
    if (!existsSync(join(root, "cgroup.procs"))) continue;
    created += 1;
    const folder = join(root, `foldforge-bench-${process.pid}-${created}`);
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    try {
      writeFileSync(join(folder, limit), String(bytes));
    } catch {
      rmdirSync(folder);
      continue;
    }
    return {
      // A process that starts in the group sees its bound, and so does V8.
      run: ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder],
      kills() {
        const [, count] = /^oom_kill (\d+)$/m.exec(readFileSync(join(folder, events), "latin1")) ?? [];
        return count === undefined ? undefined : Number(count);
      },
      remove() {
        rmdirSync(folder);
      },
    };
  }
  return undefined;
}
