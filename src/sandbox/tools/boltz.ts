import { z } from "zod";
import { mmcifFromStructure } from "../structure/mmcif.ts";
import { aminoAcids, roundedMetric } from "../structure/structure.ts";
import { doesNotFit, fits, predictStructures, proteinOf, targetsFrom, type Target } from "./prediction.ts";
import { commonParams, createTool, type ToolFile, type ToolInput } from "./tool.ts";

const id = z
  .string()
  .regex(/^[A-Za-z0-9]{1,4}$/, "must be one to four letters or digits")
  .optional();

const sequence = z.string().regex(new RegExp(`^[${aminoAcids}]+$`));

const chain = z.union(
  [
    sequence.transform((sequence) => ({ sequence })),
    z.looseObject({ id, sequence }).transform(({ id, sequence }) => ({ id, sequence })),
  ],
  { error: "must be a sequence of the twenty amino acids, or an object that has a `sequence`" },
);

/** An atom of a SMILES string: an element in brackets, one of the elements that need none, or an aromatic one. */
const smilesAtom = /\[\d*([A-Z][a-z]?|[a-z]{1,2})[^\]]*\]|(Cl|Br|[BCNOPSFI]|[bcnops])/g;
const componentCode = /^[A-Z0-9]{1,3}$|^[A-Z0-9]{5}$/;

function ligandFromSmiles(smiles: string) {
  const atoms = [...smiles.matchAll(smilesAtom)].map(([, inBrackets, bare]) => inBrackets ?? bare ?? "");
  return {
    component: "LIG",
    elements: atoms.map((symbol) => symbol.charAt(0).toUpperCase() + symbol.slice(1)),
  };
}

/** The sandbox has no dictionary of components: one carbon stands for all of their atoms. */
function ligandFromCode(component: string) {
  return { component, elements: ["C"] };
}

const code = z.string().regex(componentCode).transform(ligandFromCode);
const smiles = z
  .string()
  .transform(ligandFromSmiles)
  .refine(({ elements }) => elements.length > 0, "must be a SMILES string or a CCD code");

const ligand = z.union(
  [
    code,
    smiles,
    z.looseObject({ id, ccd: code }).transform(({ id, ccd }) => ({ id, ...ccd })),
    z.looseObject({ id, smiles }).transform(({ id, smiles }) => ({ id, ...smiles })),
  ],
  { error: "must be a SMILES string or a CCD code, or an object that has `smiles` or `ccd`" },
);

const params = commonParams
  .extend({
    chains: z
      .array(chain, { error: "must be a list of sequences, or of objects that have a `sequence`" })
      .min(1)
      .refine((chains) => fits(chains.map(({ sequence }) => sequence)), doesNotFit)
      .optional(),
    ligands: z.array(ligand).default([]),
    diffusion_samples: z.int().min(1).max(50).default(1),
  })
  .refine(({ chains = [], ligands }) => {
    const ids = [...chains, ...ligands].flatMap((item) =>
      "id" in item && item.id !== undefined ? [item.id] : [],
    );
    return new Set(ids).size === ids.length;
  }, "each id of chains and ligands must be unique");

function* fold(
  { chains, ligands, diffusion_samples }: z.infer<typeof params>,
  input: ToolInput,
): Generator<ToolFile> {
  const targets: Target[] = chains === undefined ? targetsFrom(input, ligands) : [{ chains, ligands }];
  for (const prediction of predictStructures(targets, diffusion_samples, input.seed)) {
    const { structure, plddt, ptm, length } = prediction;
    yield {
      extension: "cif",
      contentType: "chemical/x-mmcif",
      text: mmcifFromStructure(structure),
      metrics: { plddt, ptm, confidence_score: roundedMetric(0.8 * (plddt / 100) + 0.2 * ptm), length },
      proteins: [proteinOf(prediction)],
      sequences: [],
    };
  }
}

/**
 * Folds `chains`, or each protein of the steps before, with `ligands` into `diffusion_samples` mmCIF files;
 * B_iso_or_equiv is the pLDDT.
 */
export const boltz = createTool(params, fold);
