import { z } from "zod";
import { pdbFromStructure } from "../structure/pdb.ts";
import { aminoAcids } from "../structure/structure.ts";
import { doesNotFit, fits, predictStructures, proteinOf, targetsFrom } from "./prediction.ts";
import { commonParams, createTool, type ToolFile, type ToolInput } from "./tool.ts";

const sequences = new RegExp(`^[${aminoAcids}]+(:[${aminoAcids}]+)*$`);

const params = commonParams.extend({
  /** One sequence, or those of a multimer's chains with `:` between them. */
  sequence: z
    .string()
    .regex(
      sequences,
      "must consist of the one-letter codes of the twenty amino acids, with `:` between chains",
    )
    .transform((text) => text.split(":"))
    .refine(fits, doesNotFit)
    .optional(),
  num_models: z.int().min(1).max(5).default(1),
});

function* fold({ sequence, num_models }: z.infer<typeof params>, input: ToolInput): Generator<ToolFile> {
  const targets =
    sequence === undefined
      ? targetsFrom(input)
      : [{ chains: sequence.map((letters) => ({ sequence: letters })), ligands: [] }];
  for (const prediction of predictStructures(targets, num_models, input.seed)) {
    const { structure, plddt, ptm, length } = prediction;
    yield {
      extension: "pdb",
      contentType: "chemical/x-pdb",
      text: pdbFromStructure(structure),
      metrics: { plddt, ptm, length },
      proteins: [proteinOf(prediction)],
      sequences: [],
    };
  }
}

/** Folds `sequence`, or each protein of the steps before, into `num_models` PDB files; B-factors are the pLDDT. */
export const af2 = createTool(params, fold);
