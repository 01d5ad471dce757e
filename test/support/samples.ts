import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StepStatusSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type {
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** The contract's example of a submission. */
export const threeSteps = {
  name: "design-then-fold",
  labels: { team: "alpha" },
  steps: [
    { id: "design", tool: "rfdiffusion", params: { contigs: "100-100", num_designs: 3 } },
    { id: "seqs", tool: "proteinmpnn", depends_on: ["design"], params: { num_sequences: 5 } },
    { id: "fold", tool: "af2", depends_on: ["seqs"], params: { msa_cache_policy: "USE_CACHE" } },
  ],
};

/** The smallest valid submission. */
export const oneStep = { name: "one", steps: [{ id: "a", tool: "af2" }] };

/** A request with `body` as JSON. */
export function jsonPost(body: unknown, headers: Record<string, string> = {}) {
  return {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  };
}

export const createdAt = timestampFromDate(new Date("2026-01-05T09:00:00Z"));

/** A workflow with one step, as the orchestrator returns it. */
export function workflowIn(
  state: JobState,
  outputs: MessageInitShape<typeof ArtifactSchema>[] = [],
): Workflow {
  return create(WorkflowSchema, {
    id: "w1",
    spec: { name: "one", steps: [{ id: "a", tool: "af2" }], labels: { team: "alpha" } },
    state,
    stepStatuses: [{ stepId: "a", state, fraction: 0.5, outputs }],
    createdAt,
    updatedAt: createdAt,
  });
}

/** What `workflowIn(JobState.RUNNING)` is in JSON. */
export const runningJson = {
  id: "w1",
  name: "one",
  state: "RUNNING",
  steps: [{ id: "a", tool: "af2", depends_on: [], params: {} }],
  labels: { team: "alpha" },
  step_statuses: [{ step_id: "a", state: "RUNNING", fraction: 0.5, outputs: [], sequences: [] }],
  created_at: "2026-01-05T09:00:00.000Z",
  updated_at: "2026-01-05T09:00:00.000Z",
};

/** The event of a new state of the workflow; with id 0 it is a snapshot. */
export function workflowEvent(eventId: bigint, state: JobState): WorkflowEvent {
  return create(WorkflowEventSchema, {
    workflowId: "w1",
    event: { case: "workflowUpdate", value: workflowIn(state) },
    at: createdAt,
    eventId,
  });
}

/** The event of progress of the workflow's step. */
export function stepEvent(eventId: bigint, fraction = 0.5): WorkflowEvent {
  const value = create(StepStatusSchema, { stepId: "a", state: JobState.RUNNING, fraction });
  return create(WorkflowEventSchema, {
    workflowId: "w1",
    event: { case: "stepUpdate", value },
    at: createdAt,
    eventId,
  });
}

/** SHA-256 in lower-case hex. */
export function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
