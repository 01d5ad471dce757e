import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { environment, withoutCoverage } from "./environment.ts";
import type { LogLine, TestSettings } from "./gateway.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** How a gateway's process ended, and all that it said. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  readonly lines: readonly LogLine[];
}

/** A gateway that runs as a process of its own. */
export interface GatewayProcess {
  readonly child: ChildProcess;
  /** What it has logged so far. */
  readonly lines: readonly LogLine[];
  /** Its url, once it serves; rejects when it ends before. */
  readonly started: Promise<string>;
  readonly ended: Promise<ProcessExit>;
}

interface RunOptions {
  readonly more?: Record<string, string>;
  readonly execArgv?: string[];
  /** Whether its time or memory is measured: then it counts no coverage. */
  readonly isMeasured?: boolean;
}

/** Runs `src/main.ts` with these settings and nothing else in its environment but `more`. */
export function runGateway(
  settings: TestSettings,
  { more = {}, execArgv = [], isMeasured = false }: RunOptions = {},
): GatewayProcess {
  const child = spawn(process.execPath, [...execArgv, main], {
    env: { ...(isMeasured ? withoutCoverage : {}), ...environment(settings), ...more },
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
  // Only a test that waits for the start minds that there was none.
  started.promise.catch(() => undefined);
  return { child, lines, started: started.promise, ended };
}
