import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type {
  DesignedSequence,
  StepStatus,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { jobStateToJson } from "./job-state.ts";
import { doublesToJson, floatToJson, int64ToJson } from "./numbers.ts";
import { timeToJson } from "./time.ts";

/** How a step stands, with its outputs and sequences. */
export function stepStatusToJson(status: StepStatus): Schema["StepStatus"] {
  const { error, startedAt, finishedAt } = status;
  return {
    step_id: status.stepId,
    state: jobStateToJson(status.state),
    fraction: fractionToJson(status.fraction),
    outputs: status.outputs.map(artifactToJson),
    sequences: status.sequences.map(sequenceToJson),
    ...(error === undefined
      ? {}
      : { error: { code: error.code, message: error.message, retryable: error.retryable } }),
    ...(startedAt === undefined ? {} : { started_at: timeToJson(startedAt) }),
    ...(finishedAt === undefined ? {} : { finished_at: timeToJson(finishedAt) }),
  };
}

function fractionToJson(fraction: number): number {
  return Number.isNaN(fraction) ? 0 : floatToJson(Math.min(1, Math.max(0, fraction)));
}

function artifactToJson(artifact: Artifact): Schema["Artifact"] {
  return {
    uri: artifact.uri,
    content_type: artifact.contentType,
    size_bytes: int64ToJson(artifact.sizeBytes),
    sha256: artifact.sha256,
    metrics: doublesToJson(artifact.metrics),
  };
}

function sequenceToJson(sequence: DesignedSequence): Schema["DesignedSequence"] {
  const { fasta, globalScore, seqRecovery, sampleIndex } = sequence;
  return {
    fasta,
    ...doublesToJson({ global_score: globalScore, seq_recovery: seqRecovery }),
    sample_index: sampleIndex,
  };
}
