import type {
  ListWorkflowsResponse,
  RankDesignsResponse,
  Step,
  StepStatus,
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { SubmitWorkflowRequestSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { create } from "@bufbuild/protobuf";
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Artifact } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Schema } from "../../src/contract.ts";
import { jobStateToJson } from "../../src/mapping/job-state.ts";
import { floatToJson, int64ToJson } from "../../src/mapping/numbers.ts";
import { sha256 } from "./samples.ts";

/*
 * A simple mapping by whole messages, objects and `JSON.stringify`. The tests compare the gateway's transcoders with it.
 */

export function submissionToMessage(
  { name, labels = {}, steps }: Schema["WorkflowSpec"],
  idempotencyKey: string,
) {
  const spec = { name, labels, steps: steps.map(stepToMessage) };
  return create(SubmitWorkflowRequestSchema, { spec, idempotencyKey });
}

function stepToMessage(
  step: Schema["Step"],
): NonNullable<NonNullable<MessageInitShape<typeof SubmitWorkflowRequestSchema>["spec"]>["steps"]>[number] {
  const { id, tool, depends_on = [], params, resources } = step;
  return {
    id,
    tool,
    dependsOn: depends_on,
    // The contract types the known params and leaves the others open.
    ...(params === undefined ? {} : { params: params as JsonObject }),
    ...(resources === undefined
      ? {}
      : {
          resources: {
            gpuType: resources.gpu_type ?? "",
            gpuCount: resources.gpu_count ?? 0,
            cpuCores: resources.cpu_cores ?? 0,
            memoryMb: resources.memory_mb ?? 0,
            timeoutSeconds: resources.timeout_seconds ?? 0,
          },
        }),
  };
}

/** A workflow, into which its spec is flattened. */
export function workflowToObject(workflow: Workflow) {
  const { spec, createdAt, updatedAt } = workflow;
  return {
    id: workflow.id,
    name: spec?.name ?? "",
    state: jobStateToJson(workflow.state),
    steps: spec?.steps.map(stepToObject) ?? [],
    labels: spec?.labels ?? {},
    step_statuses: workflow.stepStatuses.map((status) => stepStatusToObject(status, workflow.id)),
    created_at: createdAt === undefined ? epoch : timeToText(createdAt),
    updated_at: updatedAt === undefined ? epoch : timeToText(updatedAt),
  };
}

/** The same without what can be large. */
export function basicWorkflowToObject(workflow: Workflow) {
  const { steps, step_statuses, ...rest } = workflowToObject(workflow);
  return {
    view: "basic",
    id: rest.id,
    name: rest.name,
    state: rest.state,
    steps: steps.map(({ params: _, ...step }) => step),
    labels: rest.labels,
    step_statuses: step_statuses.map((status) => ({ ...status, outputs: [], sequences: [] })),
    created_at: rest.created_at,
    updated_at: rest.updated_at,
  };
}

export function workflowListToObject(
  page: ListWorkflowsResponse,
  toObject: (w: Workflow) => unknown = workflowToObject,
) {
  return {
    workflows: page.workflows.map((workflow) => toObject(workflow)),
    next_page_token: page.nextPageToken,
  };
}

/** The artifacts of all steps, or of one. */
export function artifactListToObject({ id, stepStatuses }: Workflow, stepId?: string) {
  const selected = stepStatuses.filter((status) => stepId === undefined || status.stepId === stepId);
  const artifacts = selected.flatMap((status) =>
    stepStatusToObject(status, id).outputs.map((output) => ({ step_id: status.stepId, ...output })),
  );
  return { artifacts };
}

/** Undefined for a kind of event that the contract does not define. */
export function workflowEventToObject({ workflowId, event, at }: WorkflowEvent) {
  const time = at === undefined ? epoch : timeToText(at);
  switch (event.case) {
    case "stepUpdate":
      return { workflow_id: workflowId, step_update: stepStatusToObject(event.value, workflowId), at: time };
    case "workflowUpdate":
      return { workflow_id: workflowId, workflow_update: workflowToObject(event.value), at: time };
    case undefined:
      return undefined;
  }
}

/** Without the id of its workflow, its files have no `href`. */
export function stepStatusToObject(status: StepStatus, workflowId = "") {
  const { error, startedAt, finishedAt } = status;
  return {
    step_id: status.stepId,
    state: jobStateToJson(status.state),
    fraction: Number.isNaN(status.fraction) ? 0 : floatToJson(Math.min(1, Math.max(0, status.fraction))),
    outputs: status.outputs.map((artifact, index) => ({
      name: `${stemOf(status.stepId)}-${index}${extensionOf(artifact)}`,
      href: hrefOf(workflowId, artifact.uri),
      uri: artifact.uri,
      content_type: artifact.contentType,
      size_bytes: int64ToJson(artifact.sizeBytes),
      sha256: artifact.sha256,
      metrics: finiteOnly(artifact.metrics),
    })),
    sequences: status.sequences.map(({ fasta, globalScore, seqRecovery, sampleIndex }) => ({
      fasta,
      global_score: finite(globalScore),
      seq_recovery: finite(seqRecovery),
      sample_index: sampleIndex,
    })),
    error: error && { code: error.code, message: error.message, retryable: error.retryable },
    started_at: startedAt && timeToText(startedAt),
    finished_at: finishedAt && timeToText(finishedAt),
  };
}

/** The step id as a file name. A hash tells ids apart whose characters are replaced, or that are cut to 128 bytes. */
function stemOf(stepId: string): string {
  const safe = stepId
    .normalize()
    .replace(/^[.-]/, "_")
    .replace(/[^\p{L}\p{M}\p{N}._-]/gu, "_");
  const characters = Array.from(safe);
  while (Buffer.byteLength(characters.join("")) > 128) characters.pop();
  const stem = characters.join("");
  return stem === stepId && stem !== "" ? stem : `${stem}~${sha256(stepId).slice(0, 8)}`;
}

function extensionOf({ uri, contentType }: Artifact): string {
  const extension = /(\.[A-Za-z0-9]{1,12})?\.(gz|bz2|xz|zst)$|\.[A-Za-z0-9]{1,12}$/.exec(uri)?.[0];
  return extension ?? (contentType === "chemical/x-pdb" ? ".pdb" : "");
}

/** A segment of the contract's `ArtifactKey`. */
const segmentPattern = new RegExp(String.raw`^(?!\.{1,2}$)[^\\\u0000-\u001F\u007F]+$`);

/** The download path of an artifact in the bucket `foldforge`, if both id and key are valid by the contract. */
function hrefOf(workflowId: string, uri: string): string | undefined {
  const key = uri.startsWith("r2://foldforge/") ? uri.slice("r2://foldforge/".length) : "";
  const isKey = key.split("/").every((segment) => segmentPattern.test(segment));
  const isId = /^[A-Za-z0-9_~:-][A-Za-z0-9._~:-]{0,127}$/.test(workflowId);
  if (!isKey || !isId || Array.from(key).length > 1024) return undefined;
  const path = encodeURIComponent(key).replaceAll("%2F", "/");
  return `/v1/workflows/${encodeURIComponent(workflowId)}/artifacts/${path}`;
}

export function rankingToObject({ designs, totalConsidered, totalRanked }: RankDesignsResponse) {
  return {
    designs: designs.map(({ rank, score, id, kind, sourceStep, metrics }) => ({
      rank,
      score: finite(score),
      id,
      kind,
      source_step: sourceStep,
      metrics: finiteOnly(metrics),
    })),
    total_considered: totalConsidered,
    total_ranked: totalRanked,
  };
}

function stepToObject({ id, tool, dependsOn, params, resources }: Step) {
  return {
    id,
    tool,
    depends_on: dependsOn,
    params: params ?? {},
    resources: resources && {
      gpu_type: resources.gpuType,
      gpu_count: resources.gpuCount,
      cpu_cores: resources.cpuCores,
      memory_mb: resources.memoryMb,
      timeout_seconds: resources.timeoutSeconds,
    },
  };
}

const epoch = "1970-01-01T00:00:00.000Z";

/** RFC 3339 for the years 1 to 9999; undefined for any other time. */
function timeToText({ seconds, nanos }: Timestamp): string | undefined {
  const isTime = seconds >= -62_135_596_800n && seconds <= 253_402_300_799n && nanos >= 0 && nanos < 1e9;
  if (!isTime) return undefined;
  const millis = new Date(Number(seconds) * 1000 + Math.trunc(nanos / 1e6)).toISOString();
  const rest = nanos % 1e6;
  return rest === 0 ? millis : millis.replace("Z", `${String(rest).padStart(6, "0")}Z`);
}

function finite(number: number): number | undefined {
  return Number.isFinite(number) ? number : undefined;
}

/** The finite entries of a map. Keys such as `__proto__` remain keys. */
function finiteOnly(map: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => Number.isFinite(value)));
}
