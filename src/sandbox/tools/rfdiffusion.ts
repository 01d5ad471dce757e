import { z } from "zod";
import { createRandom, type Random } from "../random.ts";
import { pdbFromStructure } from "../structure/pdb.ts";
import { drawCoil, radiusOfGyration } from "../structure/structure.ts";
import { commonParams, createTool, maxChains, maxResidues, type ToolFile, type ToolInput } from "./tool.ts";

/** One stretch of a chain, between `min` and `max` residues long. */
interface Contig {
  readonly min: number;
  readonly max: number;
}

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
 * Parses RFdiffusion's contigs, such as `100-100` or `[A1-50/20-30]`, into chains, which `/0 ` separates. Throws a
 * RangeError that names the violation.
 */
function parseContigs(text: string): readonly (readonly Contig[])[] {
  const chains = text
    .split(/\/0[\s,]+/)
    .map((chain) =>
      chain
        .split(/[\s/,[\]]+/)
        .filter((part) => part !== "")
        .map(parseContig),
    )
    .filter((contigs) => contigs.some(({ max }) => max > 0));
  const longest = chains.flat().reduce((sum, { max }) => sum + max, 0);
  if (longest < 1 || longest > maxResidues)
    throw new RangeError(`must add up to 1 to ${maxResidues} residues`);
  if (chains.length > maxChains) throw new RangeError(`must have at most ${maxChains} chains`);
  return chains;
}

/** Draws a length for each contig, and adds them up; never less than one residue. */
function drawLength(contigs: readonly Contig[], random: Random): number {
  const length = contigs.reduce((sum, { min, max }) => sum + random.integer(min, max), 0);
  return Math.max(1, length);
}

const contigs = z
  .union([z.string(), z.array(z.string())], { error: "must be a string such as 100-100" })
  .default("100-100")
  .transform((value, context) => {
    try {
      return parseContigs([value].flat().join("/"));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      context.addIssue(error.message);
      return z.NEVER;
    }
  });

const params = commonParams.extend({ contigs, num_designs: z.int().min(1).max(50).default(1) });

function* designBackbones(
  { contigs, num_designs }: z.infer<typeof params>,
  { seed }: ToolInput,
): Generator<ToolFile> {
  for (let design = 0; design < num_designs; design++) {
    const random = createRandom(`${seed}/design/${design}`);
    const lengths = contigs.map((chain) => drawLength(chain, random));
    const structure = {
      // A backbone without a sequence is written as glycines, which are all backbone.
      chains: lengths.map((length, i) => ({
        id: String.fromCharCode(65 + i),
        sequence: "G".repeat(length),
        bFactors: [],
      })),
      ligands: [],
      coil: drawCoil(random),
    };
    yield {
      extension: "pdb",
      contentType: "chemical/x-pdb",
      text: pdbFromStructure(structure),
      metrics: {
        length: lengths.reduce((sum, length) => sum + length, 0),
        radius_of_gyration: radiusOfGyration(structure),
      },
      proteins: [lengths.map((length) => ({ length }))],
      sequences: [],
    };
  }
}

/** Designs `num_designs` backbones of the length that `contigs` asks for, each a PDB file. */
export const rfdiffusion = createTool(params, designBackbones);
