import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

/** How a program ended: by itself with a code, or by a signal. */
export interface Ending {
  readonly code: number | null;
  readonly how: string;
}

/** A program that runs beside this one, and never outlives it. */
export interface Child {
  readonly stdout: Readable;
  /** Resolves once it has ended and all that it said was read. */
  readonly ended: Promise<Ending>;
  /** Reads stdout until `pattern` matches; `input` of the match is all that was read. Undefined when it ended first. */
  hear(pattern: RegExp): Promise<RegExpExecArray | undefined>;
  /** Asks it to end, and makes it end when it takes too long. Safe to call again. */
  stop(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/** What to run, and how long it may take to stop. */
export interface ChildOptions {
  readonly execPath: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly patienceMs: number;
}

// Runs inside the child: its stdin is a pipe that closes with this process, even when it is killed outright.
const endWithParent =
  'process.stdin.once("end", () => process.kill(process.pid, "SIGTERM")).on("error", () => {}).resume().unref();';

/** Starts a program under Node. Its stderr is this process's own. */
export function startChild({ execPath, file, env, patienceMs }: ChildOptions): Child {
  const child = spawn(
    execPath,
    [`--import=data:text/javascript,${encodeURIComponent(endWithParent)}`, file],
    // A process group of its own, or Ctrl-C would reach it as well as the one who stops it in order.
    { env, detached: true, stdio: ["pipe", "pipe", "inherit"] },
  );
  const ended = new Promise<Ending>((resolve) => {
    child.once("error", (error) => resolve({ code: null, how: error.message }));
    child.once("close", (code, signal) => resolve({ code, how: signal ?? `exit code ${String(code)}` }));
  });
  let stopped: Promise<void> | undefined;

  async function stop() {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
    await ended;
    clearTimeout(timer);
  }

  return {
    stdout: child.stdout,
    ended,
    async hear(pattern) {
      let heard = "";
      for await (const chunk of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
        heard += String(chunk);
        const match = pattern.exec(heard);
        if (match !== null) return match;
      }
      return undefined;
    },
    stop: () => (stopped ??= stop()),
    kill: () => void child.kill("SIGKILL"),
  };
}
