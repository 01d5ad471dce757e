import { download } from "./download-client.ts";
import { lengths } from "./download-objects.ts";
import type { Kind } from "./download-objects.ts";
import type { Side } from "./download-sides.ts";
import { median } from "./rounds.ts";

/** What two sides cost, each the median of its rounds. */
interface Comparison {
  /** CPU time per MiB, in microseconds. */
  readonly micros: number;
  readonly baseMicros: number;
  /** The median of the rounds' own ratios: what disturbs the machine disturbs both sides of a round. */
  readonly ratio: number;
}

const rounds = 7;
const mebibytes = lengths.medium;

/** Compares the CPU per byte of the same download, in alternating rounds after one that warms up. */
export async function compareDownloads(side: Side, base: Side, kind: Kind): Promise<Comparison> {
  const pairs: { own: number; base: number }[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    pairs.push({ base: await microsPerMebibyte(base, kind), own: await microsPerMebibyte(side, kind) });
  }
  pairs.shift();
  return {
    micros: median(pairs.map(({ own }) => own)),
    baseMicros: median(pairs.map(({ base }) => base)),
    ratio: median(pairs.map(({ own, base }) => own / base)),
  };
}

async function microsPerMebibyte({ server, source }: Side, kind: Kind): Promise<number> {
  const before = await server.usage();
  await download(source(kind, mebibytes), mebibytes);
  const after = await server.usage();
  return (after.cpuMicros - before.cpuMicros) / mebibytes;
}
