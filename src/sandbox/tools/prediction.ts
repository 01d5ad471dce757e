import { z } from "zod";
import { createRandom, type Random } from "../random.ts";
import { sequencePattern } from "../structure/amino-acids.ts";
import type { Model } from "../structure/atoms.ts";
import { createBackbone } from "../structure/backbone.ts";
import { maxResidues } from "./contigs.ts";
import { commonParams, defaultChain, type ToolInput } from "./tool.ts";

/** The params that structure predictors share: a `sequence` of their own instead of those upstream. */
export const predictionParams = commonParams.extend({
  sequence: z
    .string()
    .max(maxResidues)
    .regex(sequencePattern, "must consist of the one-letter codes of the twenty amino acids")
    .optional(),
});

/** A predicted structure: its B-factors are the pLDDT of each residue, 0 to 100. */
export interface Prediction {
  readonly model: Model;
  /** Mean of the model's B-factors. */
  readonly plddt: number;
  /** Estimated TM-score, 0 to 1. */
  readonly ptm: number;
}

function confidence(helical: readonly boolean[], random: Random): number[] {
  return helical.map((inHelix, i) => {
    const fromEnd = Math.min(i, helical.length - 1 - i);
    const fraying = fromEnd < 4 ? (4 - fromEnd) * 4 : 0;
    const value = (inHelix ? random.between(86, 98) : random.between(68, 86)) - fraying;
    return Math.round(value * 100) / 100;
  });
}

function predict(sequence: string, random: Random): Prediction {
  const backbone = createBackbone(sequence.length, random);
  const bFactors = confidence(backbone.helical, random);
  const plddt = bFactors.reduce((sum, value) => sum + value, 0) / bFactors.length;
  const ptm = Math.round((plddt / 100 - random.between(0.02, 0.12)) * 1e4) / 1e4;
  return { model: { backbone, sequence, bFactors }, plddt, ptm };
}

/** Predicts a structure for `params.sequence`, or for each chain upstream; alanines where no sequence is known. */
export function* predictStructures(
  { sequence }: z.infer<typeof predictionParams>,
  { chains, seed }: ToolInput,
): Generator<Prediction> {
  const upstream = chains.length > 0 ? chains : [defaultChain];
  const targets = sequence === undefined ? upstream : [{ length: sequence.length, sequence }];
  for (const [i, target] of targets.entries()) {
    const letters = target.sequence ?? "A".repeat(target.length);
    yield predict(letters, createRandom(`${seed}/prediction/${i}`));
  }
}
