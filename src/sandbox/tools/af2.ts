import type { z } from "zod";
import { pdbFromModel } from "../structure/pdb.ts";
import { predictionParams, predictStructures } from "./prediction.ts";
import { createTool, type ToolFile, type ToolInput } from "./tool.ts";

function* fold(params: z.infer<typeof predictionParams>, input: ToolInput): Generator<ToolFile> {
  for (const { model, plddt, ptm } of predictStructures(params, input)) {
    const { sequence } = model;
    yield {
      extension: "pdb",
      contentType: "chemical/x-pdb",
      text: pdbFromModel(model),
      metrics: { plddt, ptm, length: sequence.length },
      chains: [{ length: sequence.length, sequence }],
      sequences: [],
    };
  }
}

/** Folds each sequence into a PDB file with the pLDDT in the B-factor column. */
export const af2 = createTool(50n, predictionParams, fold);
