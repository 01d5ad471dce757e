import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

/** How a program ended: with a code, or by a signal. */
export interface ProcessExit {
  readonly code: number | null;
  readonly how: string;
}

/** A program that ends with this process at the latest. */
export interface Child {
  readonly stdout: Readable;
  /** Resolves when it has ended and its output was read. */
  readonly ended: Promise<ProcessExit>;
  /** Reads stdout until `pattern` matches; `input` of the match is what was read. Undefined if the program ends first. */
  readUntil(pattern: RegExp): Promise<RegExpExecArray | undefined>;
  /** Sends SIGTERM, and SIGKILL after a time. Safe to call again. */
  stop(): Promise<void>;
  /** Sends SIGKILL. */
  kill(): void;
}

/** The program, and how long it may take to stop. */
export interface ChildOptions {
  readonly execPath: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stopTimeoutMs: number;
}

// Runs inside the child: its stdin is a pipe that closes with this process, even when it is killed outright.
const endWithParent =
  'process.stdin.once("end", () => process.kill(process.pid, "SIGTERM")).on("error", () => {}).resume().unref();';

/** Starts a program under Node. Its stderr is this process's own. */
export function startChild({ execPath, file, env, stopTimeoutMs }: ChildOptions): Child {
  const child = spawn(
    execPath,
    [`--import=data:text/javascript,${encodeURIComponent(endWithParent)}`, file],
    // In a process group of its own: Ctrl-C reaches this process only, which stops its children in order.
    { env, detached: true, stdio: ["pipe", "pipe", "inherit"] },
  );
  const ended = new Promise<ProcessExit>((resolve) => {
    child.once("error", (error) => resolve({ code: null, how: error.message }));
    child.once("close", (code, signal) => resolve({ code, how: signal ?? `exit code ${String(code)}` }));
  });
  let stopped: Promise<void> | undefined;

  async function stop() {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await ended;
    clearTimeout(timer);
  }

  return {
    stdout: child.stdout,
    ended,
    async readUntil(pattern) {
      let output = "";
      for await (const chunk of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
        output += String(chunk);
        const match = pattern.exec(output);
        if (match !== null) return match;
      }
      return undefined;
    },
    stop: () => (stopped ??= stop()),
    kill: () => void child.kill("SIGKILL"),
  };
}
