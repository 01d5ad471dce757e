import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { prefix } from "../../src/settings/schema.ts";
import { imageEnvironment, imageFlags } from "../support/image-flags.ts";
import { isQuick } from "./amounts.ts";

/** What a process has used since its start, by its own reading. */
export interface Usage {
  /** User and system time, in microseconds. */
  readonly cpuMicros: number;
  readonly residentBytes: number;
}

/** What a process holds once it has collected its garbage: how many bytes, and how many of each kind. */
export interface Holdings {
  readonly heapBytes: number;
  /** And streams over HTTP/2. */
  readonly sockets: number;
  readonly timers: number;
  /** All functions: a leaked listener is one. */
  readonly functions: number;
}

/** A program of any language that serves HTTP or gRPC. */
export interface ServingProgram {
  readonly url: string;
  readonly pid: number;
  /** Resolves to its signal or exit code. `hasEnded` returns true from then on. */
  readonly ended: Promise<string>;
  hasEnded(): boolean;
  /** Ends the process; resolves when it has gone. A shared one ends with `stopShared`. */
  stop(): Promise<void>;
}

/** One whose CPU time and memory can be read. */
export interface MeasuredProgram extends ServingProgram {
  usage(): Promise<Usage>;
}

/** A process of the benchmark, with the probe in it. */
export interface ServingProcess extends MeasuredProgram {
  holdings(): Promise<Holdings>;
}

/** The CPU that a process takes while `act` runs, in microseconds. */
export async function cpuOf(server: MeasuredProgram, act: () => Promise<unknown>): Promise<number> {
  const before = await server.usage();
  await act();
  const after = await server.usage();
  return after.cpuMicros - before.cpuMicros;
}

/** The administrator of every gateway here. */
export const adminToken = "the-token-of-the-benchmark";

const here = (file: string) => new URL(file, import.meta.url);

/** How a process is run. */
interface RunOptions {
  /** Flags of Node. */
  readonly execArgv?: readonly string[];
  /** A command that runs another one, with its arguments after its own. */
  readonly runner?: readonly string[];
}

/** The gateway with the flags of the image, its log read from a pipe. Settings have no prefix. */
export function startGateway(
  settings: Readonly<Record<string, string>>,
  { execArgv = imageFlags(), ...options }: RunOptions = {},
): Promise<ServingProcess> {
  return startProcess("../../src/main.ts", [], environmentOf(settings), { execArgv, ...options });
}

/** The environment of the image, and what gives a gateway these settings. */
export function environmentOf(settings: Readonly<Record<string, string>>): Record<string, string> {
  const all = { BIND_ADDR: "127.0.0.1:0", API_TOKEN: adminToken, ...settings };
  const variables = Object.entries(all).map(([name, value]) => [prefix + name, value] as const);
  return { ...imageEnvironment(), ...Object.fromEntries(variables) };
}

/** The processes of a quick run, by what they were started with. */
const shared = new Map<string, Promise<ServingProcess>>();

/**
 * Runs a program with the probe in it, and resolves once it has written a line of JSON with its `url` to
 * stdout. Rejects when it ends before. In a quick run the same program with the same arguments is started once: starts
 * would be most of its work.
 */
export async function startProcess(...args: Parameters<typeof spawnProcess>): Promise<ServingProcess> {
  if (!isQuick) return spawnProcess(...args);
  const key = JSON.stringify(args);
  const process = shared.get(key) ?? spawnProcess(...args);
  shared.set(key, process);
  return { ...(await process), stop: () => Promise.resolve() };
}

/** Ends the processes that a quick run shares. */
export async function stopShared(): Promise<void> {
  for (const process of shared.values()) await (await process).stop();
  shared.clear();
}

async function spawnProcess(
  file: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  { execArgv = [], runner = [] }: RunOptions = {},
): Promise<ServingProcess> {
  const flags = ["--disable-warning=ExperimentalWarning", `--import=${here("probe.ts").href}`, ...execArgv];
  const node = [process.execPath, ...flags, fileURLToPath(here(file)), ...args] as const;
  const [command = "", ...words] = [...runner, ...node];
  const child = spawn(command, words, {
    // Nothing of the environment but what programs are found by: settings of the caller's gateway stay out.
    env: {
      PATH: process.env["PATH"],
      BENCH_QUICK: process.env["BENCH_QUICK"],
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      ...env,
    },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  // A child with piped stdout always has the stream.
  const program = await whenServing(child, child.stdout as Readable, file);

  async function request<Reply>(name: string): Promise<Reply> {
    const message = once(child, "message");
    child.send(name);
    const [response] = (await message) as [Reply];
    return response;
  }

  return {
    ...program,
    usage: () => request<Usage>("usage"),
    holdings: () => request<Holdings>("holdings"),
  };
}

/**
 * Resolves once a child has written a line of JSON with its `url` to its log. Rejects when it ends before, or cannot be
 * started.
 */
export async function whenServing(child: ChildProcess, log: Readable, name: string): Promise<ServingProgram> {
  let hasEnded = false;
  const exit = once(child, "exit").then(([code, signal]) => {
    hasEnded = true;
    return { how: `${signal ?? `exit code ${code}`}` };
  });
  const url = await Promise.race([urlFrom(log), exit]);
  if (typeof url !== "string") throw new Error(`${name} ended before it served`);
  return {
    url,
    // Set, as it has been spawned.
    pid: child.pid!,
    ended: exit.then(({ how }) => how),
    hasEnded: () => hasEnded,
    async stop() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

/** The first `url` in a log of JSON lines. What follows is read too, so that the pipe never fills. */
function urlFrom(log: Readable): Promise<string> {
  return new Promise((resolve) => {
    const lines = createInterface(log);
    lines.on("line", function findUrl(line) {
      const entry: unknown = JSON.parse(line);
      if (typeof entry !== "object" || entry === null || !("url" in entry)) return;
      lines.close();
      log.resume();
      resolve(String(entry.url));
    });
  });
}
