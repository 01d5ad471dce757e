import {
  ErrorDetailSchema,
  ResourceSpecSchema,
} from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  DesignedSequenceSchema,
  ListWorkflowsResponseSchema,
  StepSchema,
  StepStatusSchema,
  WorkflowSchema,
  WorkflowSpecSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { operations } from "../../generated/openapi/gateway.v1.ts";
import type { Schema } from "../contract.ts";
import { createArtifactTranscoder } from "./artifact.ts";
import { createArtifactList } from "./artifact-list.ts";
import type { Positions } from "./field-transcoder.ts";
import { singleLineJson } from "./json-writer.ts";
import type { JsonWriter } from "./json-writer.ts";
import { createMessageTranscoder } from "./message-transcoder.ts";
import type { MessageOptions } from "./message-transcoder.ts";
import { StepScope, WorkflowScope } from "./scope.ts";
import type { Transcoder } from "./transcoder.ts";
import { epoch } from "./timestamp.ts";
import { fieldValues, textOf, WireReader } from "./wire-reader.ts";

/**
 * How much of a workflow is written (AIP-157). The basic view has all but what can be large: no params, and no outputs
 * and sequences, whose lists are empty. They are skipped, and cost nothing to write.
 */
export type View = NonNullable<NonNullable<operations["getWorkflow"]["parameters"]["query"]>["view"]>;

const resources = createMessageTranscoder(ResourceSpecSchema, [
  "gpu_type",
  "gpu_count",
  "cpu_cores",
  "memory_mb",
  "timeout_seconds",
]);

const stepOptions = { resources: { message: resources } } as const;
const steps: Readonly<Record<View, Transcoder>> = {
  full: createMessageTranscoder(StepSchema, ["id", "tool", "depends_on", "params", "resources"], stepOptions),
  basic: createMessageTranscoder(StepSchema, ["id", "tool", "depends_on", "resources"], stepOptions),
};

const sequence = createMessageTranscoder(DesignedSequenceSchema, [
  "fasta",
  "global_score",
  "seq_recovery",
  "sample_index",
]);

const errorDetail = createMessageTranscoder(ErrorDetailSchema, ["code", "message", "retryable"]);

/** Writes workflows and their parts in one view. */
export interface WorkflowTranscoders {
  readonly stepStatus: Transcoder;
  /** A workflow, into which its spec is flattened. */
  readonly workflow: Transcoder;
  readonly workflowList: Transcoder;
}

/** Writes workflows and their parts. */
export interface Transcoders extends Readonly<Record<View, WorkflowTranscoders>> {
  /** Writes the artifacts of a workflow; with an id, those of one step. */
  artifactList(stepId?: string): Transcoder;
}

/** Creates the transcoders of a gateway. The artifacts in `bucket` have a `href`. */
export function createTranscoders(bucket: string): Transcoders {
  return {
    full: createWorkflowTranscoders(bucket, "full"),
    basic: createWorkflowTranscoders(bucket, "basic"),
    artifactList: createArtifactList(bucket),
  };
}

function createWorkflowTranscoders(bucket: string, view: View): WorkflowTranscoders {
  const isSkipped = view === "basic";
  const stepStatus = createMessageTranscoder(
    StepStatusSchema,
    ["step_id", "state", "fraction", "outputs", "sequences", "error", "started_at", "finished_at"],
    {
      fraction: { isFraction: true },
      outputs: { message: createArtifactTranscoder(bucket, { hasStepId: false }), isSkipped },
      sequences: { message: sequence, isSkipped },
      error: { message: errorDetail },
    },
    {
      scopeFrom: ({ source }, [stepId], scope) => new StepScope(scope, () => textAt(source, stepId)),
    },
  );
  const workflow = createMessageTranscoder(
    WorkflowSchema,
    ["id", "spec.name", "state", "spec.steps", "spec.labels", "step_statuses", "created_at", "updated_at"],
    {
      "spec.steps": { message: steps[view] },
      step_statuses: { message: stepStatus },
      created_at: { absent: `"${epoch}"` },
      updated_at: { absent: `"${epoch}"` },
    },
    {
      scopeFrom: ({ source }, [id]) => new WorkflowScope(() => textAt(source, id)),
      ...(view === "basic" ? { writeStart: writeBasic } : {}),
    },
  );
  const workflowList = createMessageTranscoder(
    ListWorkflowsResponseSchema,
    ["workflows", "next_page_token"],
    {
      workflows: { message: workflow },
    },
  );
  return { stepStatus, workflow, workflowList };
}

/** Writes the member that tells a client why a list is empty. */
const writeBasic: NonNullable<MessageOptions["writeStart"]> = (_reader, _limit, _positions, out) =>
  out.writeAscii('{"view":"basic"');

/** The response to a submission: the workflow that `workflow` writes, with its warnings. */
export function withWarnings(workflow: Transcoder, warnings: readonly Schema["Violation"][]): Transcoder {
  const member = Buffer.from(`,"warnings":${singleLineJson(warnings)}}`);
  const addMember = (out: JsonWriter) => {
    out.reopenObject();
    out.writeBytes(member);
  };
  return {
    write(reader, end, out, scope) {
      workflow.write(reader, end, out, scope);
      addMember(out);
    },
    *writeInSlices(reader, end, out, scope) {
      yield* workflow.writeInSlices(reader, end, out, scope);
      addMember(out);
    },
  };
}

/** The last value of a string field; empty if the field is absent. */
function textAt(source: Uint8Array, at: Positions | undefined): string {
  const reader = new WireReader(source);
  reader.pos = at?.at(-1) ?? reader.len;
  return reader.pos === reader.len ? "" : reader.string();
}

/** Reads only the id from the bytes of a Workflow. */
export function readWorkflowId(bytes: Uint8Array): string {
  return textOf(bytes, WorkflowSchema.field.id.number);
}

/** Reads only the ids of the steps from the bytes of a Workflow: those of its spec, and of its step statuses. */
export function readStepIds(bytes: Uint8Array): ReadonlySet<string> {
  const ids = new Set<string>();
  const { spec, stepStatuses } = WorkflowSchema.field;
  for (const part of fieldValues(bytes, spec.number))
    for (const step of fieldValues(part, WorkflowSpecSchema.field.steps.number))
      ids.add(textOf(step, StepSchema.field.id.number));
  for (const status of fieldValues(bytes, stepStatuses.number))
    ids.add(textOf(status, StepStatusSchema.field.stepId.number));
  return ids;
}
