import { WireType } from "@bufbuild/protobuf/wire";
import {
  ArtifactSchema,
  ErrorDetailSchema,
  ResourceSpecSchema,
} from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  DesignedSequenceSchema,
  ListWorkflowsResponseSchema,
  StepSchema,
  StepStatusSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { singleLineJson } from "./json-writer.ts";
import type { JsonWriter } from "./json-writer.ts";
import { createMessageTranscoder } from "./message-transcoder.ts";
import type { Transcoder } from "./transcoder.ts";
import { epoch } from "./timestamp.ts";
import { tagOf, WireReader } from "./wire-reader.ts";

const resources = createMessageTranscoder(ResourceSpecSchema, [
  "gpu_type",
  "gpu_count",
  "cpu_cores",
  "memory_mb",
  "timeout_seconds",
]);

const step = createMessageTranscoder(StepSchema, ["id", "tool", "depends_on", "params", "resources"], {
  resources: { message: resources },
});

const artifact = createMessageTranscoder(ArtifactSchema, [
  "uri",
  "content_type",
  "size_bytes",
  "sha256",
  "metrics",
]);

const sequence = createMessageTranscoder(DesignedSequenceSchema, [
  "fasta",
  "global_score",
  "seq_recovery",
  "sample_index",
]);

const errorDetail = createMessageTranscoder(ErrorDetailSchema, ["code", "message", "retryable"]);

export const stepStatusTranscoder = createMessageTranscoder(
  StepStatusSchema,
  ["step_id", "state", "fraction", "outputs", "sequences", "error", "started_at", "finished_at"],
  {
    fraction: { isFraction: true },
    outputs: { message: artifact },
    sequences: { message: sequence },
    error: { message: errorDetail },
  },
);

/** The same transcoder, with the workflow's id assigned to its corrections. */
function withCorrectionIds(workflow: Transcoder): Transcoder {
  return {
    write(reader, end, out) {
      const start = reader.pos;
      workflow.write(reader, end, out);
      out.assignCorrections(() => idAt(reader, start, end));
    },
    *writeInSlices(reader, end, out) {
      const start = reader.pos;
      yield* workflow.writeInSlices(reader, end, out);
      out.assignCorrections(() => idAt(reader, start, end));
    },
  };
}

/** Reads only the id from the bytes of a Workflow. */
export function readWorkflowId(bytes: Uint8Array): string {
  return idAt(new WireReader(bytes), 0, bytes.length);
}

function idAt(reader: WireReader, start: number, end: number): string {
  let id = "";
  reader.pos = start;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === tagOf(WorkflowSchema.field.id.number, WireType.LengthDelimited)) id = reader.string();
    else reader.skipValue(tag, end);
  }
  return id;
}

/** A workflow, into which its spec is flattened. */
export const workflowTranscoder = withCorrectionIds(
  createMessageTranscoder(
    WorkflowSchema,
    ["id", "spec.name", "state", "spec.steps", "spec.labels", "step_statuses", "created_at", "updated_at"],
    {
      "spec.steps": { message: step },
      step_statuses: { message: stepStatusTranscoder },
      created_at: { absent: `"${epoch}"` },
      updated_at: { absent: `"${epoch}"` },
    },
  ),
);

/** The response to a submission: the workflow with its warnings. */
export function workflowWithWarnings(warnings: readonly Schema["Violation"][]): Transcoder {
  const member = Buffer.from(`,"warnings":${singleLineJson(warnings)}}`);
  const addMember = (out: JsonWriter) => {
    out.reopenObject();
    out.writeBytes(member);
  };
  return {
    write(reader, end, out) {
      workflowTranscoder.write(reader, end, out);
      addMember(out);
    },
    *writeInSlices(reader, end, out) {
      yield* workflowTranscoder.writeInSlices(reader, end, out);
      addMember(out);
    },
  };
}

export const workflowListTranscoder = createMessageTranscoder(
  ListWorkflowsResponseSchema,
  ["workflows", "next_page_token"],
  {
    workflows: { message: workflowTranscoder },
  },
);
