import type { z } from "zod";
import { mmcifFromModel } from "../structure/mmcif.ts";
import { predictionParams, predictStructures } from "./prediction.ts";
import { createTool, type ToolFile, type ToolInput } from "./tool.ts";

function* fold(params: z.infer<typeof predictionParams>, input: ToolInput): Generator<ToolFile> {
  for (const { model, plddt, ptm } of predictStructures(params, input)) {
    const { sequence } = model;
    yield {
      extension: "cif",
      contentType: "chemical/x-mmcif",
      text: mmcifFromModel(model),
      metrics: { plddt, ptm, confidence_score: 0.8 * (plddt / 100) + 0.2 * ptm, length: sequence.length },
      chains: [{ length: sequence.length, sequence }],
      sequences: [],
    };
  }
}

/** Folds each sequence into an mmCIF file with the pLDDT as B_iso_or_equiv. */
export const boltz = createTool(40n, predictionParams, fold);
