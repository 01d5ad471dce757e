import { amount } from "./amounts.ts";

/** Measures one side of a comparison once; resolves to microseconds of CPU for each unit of its work. */
type Measure = () => Promise<number>;

/** What two sides cost, each the median of its rounds. */
export interface Comparison {
  readonly micros: number;
  readonly baseMicros: number;
  /** The median of the rounds' own ratios: what disturbs the machine disturbs both sides of a round. */
  readonly ratio: number;
}

const rounds = amount(7, 1);

/** Compares two sides in alternating rounds. */
export async function compare(own: Measure, base: Measure): Promise<Comparison> {
  const pairs: { own: number; base: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [first, second] = [await base(), await own()];
    pairs.push({ base: first, own: second });
  }
  return {
    micros: median(pairs.map(({ own }) => own)),
    baseMicros: median(pairs.map(({ base }) => base)),
    ratio: median(pairs.map(({ own, base }) => own / base)),
  };
}

/** The middle of `values`. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new RangeError("no values have no median");
  return middle;
}
