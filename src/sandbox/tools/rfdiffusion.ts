import { z } from "zod";
import { createRandom } from "../random.ts";
import { createBackbone, radiusOfGyration } from "../structure/backbone.ts";
import { pdbFromModel } from "../structure/pdb.ts";
import { lengthFromContigs, parseContigs } from "./contigs.ts";
import { commonParams, createTool, type ToolFile, type ToolInput } from "./tool.ts";

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
    const backbone = createBackbone(lengthFromContigs(contigs, random), random);
    const length = backbone.residues.length;
    yield {
      extension: "pdb",
      contentType: "chemical/x-pdb",
      // A backbone without a sequence is written as glycines, which are all backbone.
      text: pdbFromModel({ backbone, sequence: "G".repeat(length), bFactors: [] }),
      metrics: { length, radius_of_gyration: radiusOfGyration(backbone) },
      chains: [{ length }],
      sequences: [],
    };
  }
}

/** Designs `num_designs` backbones of the length that `contigs` asks for, each a PDB file. */
export const rfdiffusion = createTool(25n, params, designBackbones);
