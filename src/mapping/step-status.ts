import { ArtifactSchema, ErrorDetailSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  DesignedSequenceSchema,
  StepStatusSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { messageJson } from "./message-json.ts";

const artifact = messageJson(ArtifactSchema, ["uri", "content_type", "size_bytes", "sha256", "metrics"]);

const sequence = messageJson(DesignedSequenceSchema, [
  "fasta",
  "global_score",
  "seq_recovery",
  "sample_index",
]);

const errorDetail = messageJson(ErrorDetailSchema, ["code", "message", "retryable"]);

/** How one step stands, with its outputs and sequences. */
export const stepStatusJson = messageJson(
  StepStatusSchema,
  ["step_id", "state", "fraction", "outputs", "sequences", "error", "started_at", "finished_at"],
  {
    fraction: { isFraction: true },
    outputs: { message: artifact },
    sequences: { message: sequence },
    error: { message: errorDetail },
  },
);
