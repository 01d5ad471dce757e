import { createRandom } from "../random.ts";
import {
  drawCoil,
  meanMetric,
  roundedMetric,
  type Chain,
  type Ligand,
  type Structure,
} from "../structure/structure.ts";
import { defaultProtein, maxChains, maxResidues, type ToolInput } from "./tool.ts";

/** Whether chains with these sequences fit into one structure. */
export function fits(sequences: readonly string[]): boolean {
  const residues = sequences.reduce((sum, { length }) => sum + length, 0);
  return sequences.length <= maxChains && residues <= maxResidues;
}

/** The message for chains that do not. */
export const doesNotFit = `must have at most ${maxResidues} residues in at most ${maxChains} chains`;

/** A predicted structure: its B-factors are the pLDDT of each residue, 0 to 100. */
export interface Prediction {
  readonly structure: Structure;
  /** Mean of the structure's B-factors. */
  readonly plddt: number;
  /** Estimated TM-score, 0 to 1. */
  readonly ptm: number;
  /** Number of residues. */
  readonly length: number;
}

/** What is to be predicted; a chain or a ligand without an id is named by the next free letters. */
export interface Target {
  readonly chains: readonly { readonly id?: string | undefined; readonly sequence: string }[];
  readonly ligands: readonly (Omit<Ligand, "id"> & { readonly id?: string | undefined })[];
}

/** The proteins of the steps before as targets; alanines where a protein has no sequence. */
export function targetsFrom({ proteins }: ToolInput, ligands: Target["ligands"] = []): Target[] {
  return (proteins.length > 0 ? proteins : [defaultProtein]).map((protein) => ({
    chains: protein.map(({ length, sequence = "A".repeat(length) }) => ({ sequence })),
    ligands,
  }));
}

/** Predicts `samples` structures of each target. */
export function* predictStructures(
  targets: readonly Target[],
  samples: number,
  seed: string,
): Generator<Prediction> {
  for (const [i, target] of targets.entries())
    for (let sample = 0; sample < samples; sample++)
      yield predict(target, `${seed}/prediction/${i}/${sample}`);
}

function predict({ chains: unnamed, ligands: unnamedLigands }: Target, seed: string): Prediction {
  const random = createRandom(seed);
  const ids = chainIds([...unnamed, ...unnamedLigands]);
  const chains = unnamed.map(({ sequence }, i): Chain => {
    const bFactors = Array.from(sequence, () => Math.round(random.between(70, 98) * 100) / 100);
    return { id: ids[i] ?? "", sequence, bFactors };
  });
  const ligands = unnamedLigands.map((ligand, i): Ligand => ({
    ...ligand,
    id: ids[chains.length + i] ?? "",
  }));
  const bFactors = chains.flatMap((chain) => chain.bFactors);
  const plddt = meanMetric(bFactors);
  const ptm = roundedMetric(plddt / 100 - random.between(0.02, 0.12));
  return { structure: { chains, ligands, coil: drawCoil(random) }, plddt, ptm, length: bFactors.length };
}

function chainIds(named: readonly { readonly id?: string | undefined }[]): string[] {
  const taken = new Set(named.map(({ id }) => id));
  let next = 0;
  function freeId(): string {
    const id = letters(next++);
    return taken.has(id) ? freeId() : id;
  }
  return named.map(({ id }) => id ?? freeId());
}

/** A, B, … Z, AA, AB, … */
function letters(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}

/** The proteins of a prediction, for the steps after it. */
export function proteinOf({ structure }: Prediction): { length: number; sequence: string }[] {
  return structure.chains.map(({ sequence }) => ({ length: sequence.length, sequence }));
}
