import { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  DesignedSequenceSchema,
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { fieldValues, textOf } from "./wire-reader.ts";

/** Field numbers on the way to the names of metrics. */
const stepStatuses = WorkflowSchema.field.stepStatuses.number;
const outputs = StepStatusSchema.field.outputs.number;
const sequences = StepStatusSchema.field.sequences.number;
const metrics = ArtifactSchema.field.metrics.number;
/** The key of a map entry (protobuf encoding). */
const entryKey = 1;

/** The metrics of every sequence, which are fields of its message. */
const sequenceMetrics = [
  DesignedSequenceSchema.field.globalScore.name,
  DesignedSequenceSchema.field.seqRecovery.name,
];

/** The names that a request can have: up to 128 characters, none of them a control character (schema `MetricName`). */
const requestable = /^[^\p{Cc}]{1,128}$/u;

/** The maximum number of names that are listed. The tools of one workflow report some ten. */
const maxListed = 32;

/** Parts of a workflow that are visited in one slice, which takes about half a millisecond. */
const visitsPerSlice = 1000;

/** Which metrics the designs of a workflow have. */
export interface FoundMetrics {
  /** Those that were looked for and that no design has. */
  readonly missing: ReadonlySet<string>;
  /** Up to 32 that designs have, sorted. Incomplete if none is missing. */
  readonly listed: readonly string[];
}

/**
 * Looks for the `wanted` metrics in the outputs and sequences of an encoded Workflow, in short slices: there may be
 * millions.
 */
export function* findMetrics(workflow: Uint8Array, wanted: Iterable<string>): Generator<void, FoundMetrics> {
  const missing = new Set(wanted);
  const listed = new Set<string>();
  let visits = 0;
  for (const name of visit(workflow)) {
    if (name !== undefined) {
      missing.delete(name);
      if (listed.size < maxListed && requestable.test(name)) listed.add(name);
    }
    if (missing.size === 0) break;
    visits += 1;
    if (visits % visitsPerSlice === 0) yield;
  }
  return { missing, listed: [...listed].sort() };
}

/** Visits the steps, their sequences and outputs, and the metrics of these. Returns a name for each metric. */
function* visit(workflow: Uint8Array): Generator<string | undefined, void> {
  for (const status of fieldValues(workflow, stepStatuses)) {
    yield undefined;
    if (fieldValues(status, sequences).next().done !== true) yield* sequenceMetrics;
    for (const output of fieldValues(status, outputs)) {
      yield undefined;
      for (const entry of fieldValues(output, metrics)) yield textOf(entry, entryKey);
    }
  }
}
