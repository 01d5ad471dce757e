import type { OpenApiDocument, Schema } from "../contract.ts";
import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { nearestName, suggestionOf } from "../nearest-name.ts";
import { isObject, keysOf } from "./json-object.ts";
import { escapePointer } from "./json-pointer.ts";

/** Names from the tools' own command lines and from other tools, in lower case, for parameters of the contract. */
const otherNames: Readonly<Record<Schema["Tool"], Readonly<Partial<Record<string, string>>>>> = {
  rfdiffusion: {
    t: "diffusion_steps",
    iterations: "diffusion_steps",
    hotspot: "hotspot_res",
    hotspots: "hotspot_res",
  },
  proteinmpnn: {
    num_seq_per_target: "num_sequences",
    num_seqs: "num_sequences",
    number_of_batches: "num_sequences",
    temperature: "sampling_temp",
    fixed_residues: "fixed_positions",
    fixed_positions_jsonl: "fixed_positions",
    rm_aa: "omit_aas",
  },
  boltz: {
    sequences: "chains",
    sequence: "chains",
    smiles: "ligands",
    ccd: "ligands",
    num_recycles: "recycling_steps",
    num_samples: "diffusion_samples",
  },
  af2: {
    query_sequence: "sequence",
    amber: "relax",
    use_amber: "relax",
    num_relax: "relax",
    template_mode: "use_templates",
    templates: "use_templates",
  },
};

/** The most unknown names of a submission that are compared with the known ones. */
const maxCompared = 256;

/** Longer names get no warning: warnings stay in memory while the orchestrator works. With their groups, names are short. */
const maxNameLength = 256;

/** The names of the parameters of each tool. */
export type KnownParams = ReadonlyMap<string, readonly string[]>;

/** Reads the parameters of each tool from the contract's schemas, such as `Af2Params`. */
export function knownParams({ components }: OpenApiDocument): KnownParams {
  return new Map(
    Object.keys(otherNames).map((tool) => {
      const name = `${tool.charAt(0).toUpperCase()}${tool.slice(1)}Params`;
      const schema = components["schemas"]?.[name];
      if (!isObject(schema) || !isObject(schema["properties"]))
        throw new Error(`the contract has no ${name}`);
      return [tool, Object.keys(schema["properties"])];
    }),
  );
}

/**
 * The params of a submission whose names are probably wrong; the tool gets them unchanged. `body` may have any shape.
 * Returns at most `maxViolations`.
 */
export function paramWarnings(body: unknown, known: KnownParams): Violation[] {
  const warnings: Violation[] = [];
  let compared = 0;
  const steps = isObject(body) && Array.isArray(body["steps"]) ? body["steps"] : [];
  for (const [index, step] of steps.entries()) {
    if (!isObject(step) || !isObject(step["params"])) continue;
    const { tool, params } = step;
    const names = known.get(String(tool));
    if (names === undefined) continue;
    for (const name of keysOf(params)) {
      if (names.includes(name) || name.length > maxNameLength) continue;
      compared += 1;
      if (compared > maxCompared || warnings.length >= maxViolations) return warnings;
      const meant = meantName(name, params[name], names, otherNames[tool as Schema["Tool"]]);
      if (meant === undefined) continue;
      warnings.push({
        path: `/body/steps/${index}/params/${escapePointer(name)}`,
        message: `is not a parameter of ${String(tool)} that this contract knows, and is passed on unchanged${suggestionOf(meant)}`,
      });
    }
  }
  return warnings;
}

/** The known name that is meant by an unknown one: spelled otherwise, another tool's, or within a group as in Hydra. */
function meantName(
  name: string,
  value: unknown,
  names: readonly string[],
  others: Readonly<Partial<Record<string, string>>>,
): string | undefined {
  // Hydra writes `inference.num_designs=3` on the command line, and a group of parameters in a file.
  const last = name.slice(name.lastIndexOf(".") + 1);
  const lower = last.toLowerCase();
  const other = Object.hasOwn(others, lower) ? others[lower] : undefined;
  const within = isObject(value) ? names.find((known) => Object.hasOwn(value, known)) : undefined;
  return other ?? nearestName(last, names) ?? within;
}
