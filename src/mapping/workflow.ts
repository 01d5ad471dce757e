import type {
  ListWorkflowsResponse,
  Workflow,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Schema } from "../contract.ts";
import { jobStateToJson } from "./job-state.ts";
import { stepStatusToJson } from "./step-status.ts";
import { timeToJson } from "./time.ts";
import { stepToJson } from "./workflow-spec.ts";

/** A workflow with its spec flattened into it. */
export function workflowToJson(workflow: Workflow): Schema["Workflow"] {
  return {
    id: workflow.id,
    name: workflow.spec?.name ?? "",
    state: jobStateToJson(workflow.state),
    steps: workflow.spec?.steps.map(stepToJson) ?? [],
    labels: workflow.spec?.labels ?? {},
    step_statuses: workflow.stepStatuses.map(stepStatusToJson),
    created_at: timeToJson(workflow.createdAt),
    updated_at: timeToJson(workflow.updatedAt),
  };
}

/** One page of workflows. */
export function workflowListToJson(page: ListWorkflowsResponse): Schema["WorkflowList"] {
  return { workflows: page.workflows.map(workflowToJson), next_page_token: page.nextPageToken };
}
