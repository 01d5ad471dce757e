import type { Random } from "../random.ts";

/** One stretch of a chain, between `min` and `max` residues long. */
export interface Contig {
  readonly min: number;
  readonly max: number;
}

/** The longest chain that the tools design or fold, in residues. */
export const maxResidues = 1000;

function parseContig(text: string): Contig {
  const [, motif, first, second] = /^([A-Za-z]?)(\d{1,6})(?:-[A-Za-z]?(\d{1,6}))?$/.exec(text) ?? [];
  if (first === undefined)
    throw new RangeError(`"${text}" is not a contig such as "100", "20-30" or "A1-50"`);
  const from = Number(first);
  const to = Number(second ?? first);
  if (to < from) throw new RangeError(`"${text}" runs backwards`);
  // A motif names residues that are kept, both ends included; a bare range is a choice of lengths.
  return motif ? { min: to - from + 1, max: to - from + 1 } : { min: from, max: to };
}

/**
 * Parses RFdiffusion's contigs, such as `100-100` or `[A1-50/20-30]`; chain breaks (`/0 `) join.
 * Throws a RangeError that names the fault.
 */
export function parseContigs(text: string): readonly Contig[] {
  const contigs = text
    .split(/[\s/,[\]]+/)
    .filter((part) => part !== "")
    .map(parseContig);
  const longest = contigs.reduce((sum, { max }) => sum + max, 0);
  if (longest < 1 || longest > maxResidues)
    throw new RangeError(`must add up to 1 to ${maxResidues} residues`);
  return contigs;
}

/** Draws a length for each contig, and adds them up; never less than one residue. */
export function lengthFromContigs(contigs: readonly Contig[], random: Random): number {
  return Math.max(
    1,
    contigs.reduce((sum, { min, max }) => sum + random.integer(min, max), 0),
  );
}
