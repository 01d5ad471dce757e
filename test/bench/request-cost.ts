import { amount } from "./amounts.ts";
import { load } from "./load.ts";
import type { Work } from "./load.ts";
import { cpuOf } from "./processes.ts";
import type { MeasuredProgram } from "./processes.ts";
import { compare } from "./rounds.ts";
import type { Comparison } from "./rounds.ts";

/** A request and the process that serves it. */
export interface Side {
  readonly server: MeasuredProgram;
  readonly work: Work;
}

const requests = amount(3000, 8);
const warmUpRequests = amount(6000, 8);

/** Compares the CPU per request of two sides that have warmed up. */
export async function compareRequests(own: Side, base: Side): Promise<Comparison> {
  for (const { server, work } of [base, own]) await load(server.url, work, warmUpRequests);
  return compare(
    () => microsPerRequest(own),
    () => microsPerRequest(base),
  );
}

async function microsPerRequest({ server, work }: Side): Promise<number> {
  return (await cpuOf(server, () => load(server.url, work, requests))) / requests;
}
