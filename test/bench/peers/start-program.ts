import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { whenServing } from "../processes.ts";
import type { MeasuredProgram } from "../processes.ts";
import { usageOf } from "./process-usage.ts";

/** A program that was built here, with the log that it writes. */
export interface StartedProgram extends MeasuredProgram {
  readonly log: Readable;
}

/** Starts a program, and resolves once it has written a line of JSON with its `url`. Its log is read from a pipe. */
export async function startProgram(
  file: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<StartedProgram> {
  // It ends when its stdin does, so that it does not survive the benchmark.
  const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "inherit"] });
  const program = await whenServing(child, child.stdout, file);
  return { ...program, log: child.stdout, usage: () => Promise.resolve(usageOf(program.pid)) };
}
