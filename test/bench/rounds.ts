import type { ServingProcess } from "./processes.ts";
import { load } from "./load.ts";
import type { Work } from "./load.ts";

/** One side of a comparison: a request and the process that serves it. */
export interface Side {
  readonly server: ServingProcess;
  readonly work: Work;
}

/** What two sides cost, each the median of its rounds. */
interface Comparison {
  /** CPU time per request, in microseconds. */
  readonly micros: number;
  readonly baseMicros: number;
  /** The median of the rounds' own ratios: what disturbs the machine disturbs both sides of a round. */
  readonly ratio: number;
}

const rounds = 7;
const requestsPerRound = 3000;
const warmUpRequests = 6000;

/** Compares the CPU per request of `side` with that of `base`, in alternating rounds. */
export async function compare(side: Side, base: Side): Promise<Comparison> {
  for (const { server, work } of [base, side]) await load(server.url, work, warmUpRequests);
  const pairs: { own: number; base: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    pairs.push({ base: await microsPerRequest(base), own: await microsPerRequest(side) });
  }
  return {
    micros: median(pairs.map(({ own }) => own)),
    baseMicros: median(pairs.map(({ base }) => base)),
    ratio: median(pairs.map(({ own, base }) => own / base)),
  };
}

async function microsPerRequest({ server, work }: Side): Promise<number> {
  const before = await server.usage();
  await load(server.url, work, requestsPerRound);
  const after = await server.usage();
  return (after.cpuMicros - before.cpuMicros) / requestsPerRound;
}

/** The middle of `values`. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new RangeError("no values have no median");
  return middle;
}
