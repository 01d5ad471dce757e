import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { isObject } from "./json-object.ts";

/** In place of a value that stands for the tool's default: the parameter is left out. */
const leftOut = Symbol("left out");

/** How users of a tool write a parameter besides the contract's own form. */
interface ParamForm {
  /** The value in the contract's form, or `leftOut`; undefined for a value that could mean several things, or none. */
  read(value: unknown): unknown;
  /** The message for such a value, with the right form; absent if there is none, since the schema reports the others. */
  readonly message?: string;
}

type Forms = Readonly<Record<string, ParamForm>>;

/** Items that are read from a text: one more than the largest `maxItems` of a parameter. The schema rejects that many. */
const maxItemsRead = 10_001;

/** A count of which 0 would make nothing. In a protobuf message, 0 is a count that is not set. */
const count: ParamForm = { read: (value) => (value === 0 ? leftOut : value) };

const formsByTool: Readonly<Partial<Record<string, Forms>>> = {
  rfdiffusion: {
    num_designs: count,
    diffusion_steps: count,
    contigs: {
      read: contigsFrom,
      message:
        "must be a string, with / between the parts of a chain and a space between chains, such as 5-15/A10-25/30-40 or A1-50/0 70-100",
    },
    hotspot_res: {
      read: (value) => (isText(value) || isListOf(value, isText) ? value : undefined),
      message: "must name the chain of each residue, such as A59 or [A30, A59]",
    },
  },
  proteinmpnn: {
    num_sequences: count,
    sampling_temp: { read: temperaturesFrom, message: "must be a number, such as 0.1, or a list of numbers" },
    omit_aas: {
      read: lettersFrom,
      message: "must be a list of amino acids, such as [C, M], or a string, such as CM",
    },
    fixed_positions: {
      read: positionsFrom,
      message: "must be a list of residues, such as [1, 2] or [A12, B3]",
    },
  },
  boltz: {
    diffusion_samples: count,
    sampling_steps: count,
    chains: {
      read: (value) => (isText(value) ? filled(value.split(":", maxItemsRead)) : listOrNothing(value)),
      message:
        "must be a list of sequences or of objects that describe a chain, such as [MKVLAAGIVG, GSHMKTAYIA]",
    },
    ligands: {
      read: (value) => (isText(value) ? filled([value]) : listOrNothing(value)),
      message:
        "must be a list of SMILES strings, CCD codes or objects that describe a ligand, such as [CCO, ATP]",
    },
  },
  af2: {
    num_models: count,
    msa_cache_policy: { read: policyFrom },
    sequence: {
      read: (value) => {
        const [only, ...others] = isListOf(value, isText) ? value : [value];
        return others.length === 0 && isText(only) ? only : undefined;
      },
      message:
        "must be one string; write the chains of a multimer as MKVLAAGIVG:GSHMKTAYIA, and submit a step for each further protein",
    },
  },
};

/**
 * Rewrites the params of a submission that are in another form of the same meaning into the contract's form, in place.
 * Returns the violations of those without one meaning, at most `maxViolations`; their values stay. `body` may have any
 * shape. `null` is left to the schema.
 */
export function readParamForms(body: unknown): Violation[] {
  const violations: Violation[] = [];
  const steps = isObject(body) && Array.isArray(body["steps"]) ? body["steps"] : [];
  for (const [index, step] of steps.entries()) {
    if (violations.length >= maxViolations) break;
    if (!isObject(step) || typeof step["tool"] !== "string" || !isObject(step["params"])) continue;
    const { tool, params } = step;
    const forms = Object.hasOwn(formsByTool, tool) ? formsByTool[tool] : undefined;
    for (const [name, form] of Object.entries(forms ?? {})) {
      if (!Object.hasOwn(params, name) || params[name] === null) continue;
      const value = form.read(params[name]);
      if (value === leftOut) Reflect.deleteProperty(params, name);
      else if (value !== undefined) params[name] = value;
      else if (form.message !== undefined)
        violations.push({ path: `/body/steps/${index}/params/${name}`, message: form.message });
    }
  }
  return violations.slice(0, maxViolations);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(isItem);
}

/** The texts; undefined if one of them is blank, as between two colons. */
function filled(texts: readonly string[]): readonly string[] | undefined {
  return texts.every((text) => /\S/.test(text)) ? texts : undefined;
}

/** The schema reports what is wrong with the items of a list. */
function listOrNothing(value: unknown): unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

/** A length, or Hydra's list. RFdiffusion uses only the first entry of a list, so several must be whole chains. */
function contigsFrom(value: unknown): unknown {
  if (isText(value)) return value;
  if (typeof value === "number")
    return Number.isSafeInteger(value) && value > 0 ? `${value}-${value}` : undefined;
  if (!isListOf(value, isText) || value.length === 0) return undefined;
  return value.slice(0, -1).every((chain) => chain.endsWith("/0")) ? value.join(" ") : undefined;
}

/** Each text matches in one way at most, so that a test takes linear time. */
const decimal = /^(?:\d+(?:\.\d+)?|\.\d+)(?:e-?\d+)?$/i;

/** One temperature, or several to sample at: numbers, or text with spaces or commas between them. */
function temperaturesFrom(value: unknown): unknown {
  const given = isText(value) ? wordsOf(value) : [value].flat();
  const numbers = given.map((one) => (isText(one) && decimal.test(one) ? Number(one) : one));
  if (numbers.length === 0 || !numbers.every((one) => typeof one === "number")) return undefined;
  return numbers.length === 1 ? numbers[0] : numbers;
}

/** A list of letters, or a string of letters. */
function lettersFrom(value: unknown): unknown {
  if (!isText(value)) return listOrNothing(value);
  return /^[A-Za-z\s,]*$/.test(value) ? wordsOf(value).join("").split("", maxItemsRead) : undefined;
}

/** A list, one residue, or text with spaces or commas between residues. */
function positionsFrom(value: unknown): unknown {
  if (typeof value === "number") return [value];
  if (!isText(value)) return listOrNothing(value);
  const residues = wordsOf(value);
  if (!residues.every((residue) => /^[A-Za-z]?-?\d{1,7}$/.test(residue))) return undefined;
  return residues.map((residue) => (/^-?\d/.test(residue) ? Number(residue) : residue));
}

/** The policies by their numbers in the protobuf enum, without the prefix of its names. */
const policies: readonly string[] = ["UNSPECIFIED", "USE_CACHE", "FORCE_RECOMPUTE", "CACHE_ONLY"];

/** A name of the protobuf enum with or without its prefix, or its number, which JSON of protobuf may have, too. */
function policyFrom(value: unknown): unknown {
  if (!isText(value) && typeof value !== "number") return value;
  const name = isText(value) ? value.replace(/^MSA_CACHE_POLICY_/, "") : policies[value];
  if (name === undefined || !policies.includes(name)) return value;
  return name === policies[0] ? leftOut : name;
}

/** The parts of a text between spaces and commas. */
function wordsOf(text: string): string[] {
  return text.trim().split(/[\s,]+/, maxItemsRead);
}
