import type { JsonObject } from "@bufbuild/protobuf";
import { z } from "zod";
import type { DesignedSequence } from "../../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** A protein that one step hands to the next. */
export interface Chain {
  readonly length: number;
  /** One-letter codes; absent while only the backbone is designed. */
  readonly sequence?: string;
}

/** What a tool works on when nothing upstream has made a chain, so that every sound DAG can run here. */
export const defaultChain: Chain = { length: 100 };

/** A file that a tool writes, with what it says. */
export interface ToolFile {
  readonly extension: "pdb" | "cif" | "fasta";
  readonly contentType: string;
  readonly text: string;
  /** Each can be computed again from `text`, but for a predictor's estimates of its own error. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly chains: readonly Chain[];
  readonly sequences: readonly DesignedSequence[];
}

/** What a run gets besides its params. */
export interface ToolInput {
  /** What the steps that this one depends on have made. */
  readonly chains: readonly Chain[];
  /** Decides all that is left to chance. */
  readonly seed: string;
}

/** One tool that a step can name. */
export interface Tool {
  /** Price of a run that succeeds, in credits. */
  readonly credits: bigint;
  /** What is wrong with the params, one line each; empty when they are sound. */
  faults(params: JsonObject): readonly string[];
  /** How many runs `params.sandbox_fail` lets fail before one succeeds. */
  failures(params: JsonObject): number;
  /** Writes the files one by one, so that a caller can pause or stop between them. The params must be sound. */
  run(params: JsonObject, input: ToolInput): Iterable<ToolFile>;
}

/** The params that every tool knows; others are let through, since real tools have many more. */
export const commonParams = z.looseObject({ sandbox_fail: z.int().min(0).default(0) });

/** Builds a tool from the schema of its params and what a run makes of them. */
export function createTool<Params extends { readonly sandbox_fail: number }>(
  credits: bigint,
  schema: z.ZodType<Params>,
  produce: (params: Params, input: ToolInput) => Iterable<ToolFile>,
): Tool {
  return {
    credits,
    faults(params) {
      const issues = schema.safeParse(params).error?.issues ?? [];
      return issues.map(({ path, message }) => `${["params", ...path].join(".")}: ${message}`);
    },
    failures: (params) => schema.parse(params).sandbox_fail,
    run: (params, input) => produce(schema.parse(params), input),
  };
}
