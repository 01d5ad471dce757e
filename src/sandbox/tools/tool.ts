import type { JsonObject } from "@bufbuild/protobuf";
import { z } from "zod";
import type { DesignedSequence } from "../../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** A protein that one step hands to the next: its chains, each by its length and sequence. */
export type Protein = readonly {
  readonly length: number;
  /** One-letter codes; absent while only the backbone is designed. */
  readonly sequence?: string;
}[];

/** What a tool works on when no step before has made a protein, so that every valid DAG can run here. */
export const defaultProtein: Protein = [{ length: 100 }];

/** The largest protein that the tools design or fold, in residues. */
export const maxResidues = 1000;

/** The most chains of a protein: a PDB file names each with one letter. */
export const maxChains = 26;

/** A file that a tool writes, with what it says. */
export interface ToolFile {
  readonly extension: "pdb" | "cif" | "fasta";
  readonly contentType: string;
  readonly text: string;
  /** Each can be computed again from `text`, except a predictor's estimates of its own error. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly proteins: readonly Protein[];
  readonly sequences: readonly DesignedSequence[];
}

/** What a run gets besides its params. */
export interface ToolInput {
  /** What the steps that this one depends on have made. */
  readonly proteins: readonly Protein[];
  /** Decides everything random. */
  readonly seed: string;
}

/** One tool that a step can name. */
export interface Tool {
  /** What is wrong with the params, one line each; empty when they are valid. */
  violations(params: JsonObject): readonly string[];
  /** How many runs `params.sandbox_fail` lets fail before one succeeds. */
  failures(params: JsonObject): number;
  /** Writes the files one by one, so that a caller can pause or stop between them. The params must be valid. */
  run(params: JsonObject, input: ToolInput): Iterable<ToolFile>;
}

/** The params that every tool knows; others are let through, since real tools have many more. */
export const commonParams = z.looseObject({ sandbox_fail: z.int().min(0).default(0) });

/** Builds a tool from the schema of its params and what a run makes of them. */
export function createTool<Params extends { readonly sandbox_fail: number }>(
  schema: z.ZodType<Params>,
  produce: (params: Params, input: ToolInput) => Iterable<ToolFile>,
): Tool {
  return {
    violations(params) {
      const issues = schema.safeParse(params).error?.issues ?? [];
      return issues.map(({ path, message }) => `${["params", ...path].join(".")}: ${message}`);
    },
    failures: (params) => schema.parse(params).sandbox_fail,
    run: (params, input) => produce(schema.parse(params), input),
  };
}
