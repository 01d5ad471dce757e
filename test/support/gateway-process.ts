import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { environment, withCoverage, withoutCoverage } from "./environment.ts";
import type { LogLine, TestSettings } from "./gateway.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** How the process of a gateway ended, and its output. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  readonly lines: readonly LogLine[];
}

/** A gateway that runs as a process of its own. */
export interface GatewayProcess {
  readonly child: ChildProcess;
  /** The lines that it has logged so far. */
  readonly lines: readonly LogLine[];
  /** What it has written to stderr so far. */
  readonly stderr: () => string;
  /** Resolves to its URL when it serves; rejects when it ends before. */
  readonly started: Promise<string>;
  readonly ended: Promise<ProcessExit>;
}

export interface RunOptions {
  readonly more?: Record<string, string>;
  readonly execArgv?: string[];
  /** Whether its coverage counts. */
  readonly countsCoverage?: boolean;
}

/** The option of Node with which a process runs `statement` at a signal. */
export function onSignal(signal: NodeJS.Signals, statement: string): string {
  const script = `process.on("${signal}", () => { ${statement} });`;
  return `--import=data:text/javascript,${encodeURIComponent(script)}`;
}

/**
 * A statement that writes more to stdout than the pipe and the stream at its other end hold, and less than the log
 * keeps waiting; in parts that a pipe takes whole or not at all, as the log does.
 */
export const fillStdout = `for (let i = 0; i < 128; i++)
  process.stdout.write('{"event":"' + "x".repeat(4000) + '"}\\n');`;

/** Runs `src/main.ts` with these settings and nothing else in its environment but `more`. */
export function runGateway(
  settings: TestSettings,
  { more = {}, execArgv = [], countsCoverage = false }: RunOptions = {},
): GatewayProcess {
  const child = spawn(process.execPath, [...execArgv, main], {
    env: { ...(countsCoverage ? withCoverage : withoutCoverage), ...environment(settings), ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines: LogLine[] = [];
  const started = Promise.withResolvers<string>();
  createInterface(child.stdout).on("line", (line) => {
    const entry = JSON.parse(line) as LogLine;
    lines.push(entry);
    if (entry.event === "gateway.started") started.resolve(String(entry["url"]));
  });
  const ended = once(child, "close").then(([code, signal]): ProcessExit => {
    started.reject(new Error(`it ended before it had started: ${stderr}`));
    return { code: code as number | null, signal: signal as string | null, stderr, lines };
  });
  // Not every test awaits the start.
  started.promise.catch(() => undefined);
  return { child, lines, stderr: () => stderr, started: started.promise, ended };
}
