import type { ConsumeQuota } from "../auth/quota.ts";
import type { Handler } from "../contract.ts";
import { jobStateFromJson } from "../mapping/job-state.ts";
import { labelSelectorFromQuery } from "../mapping/label-selector.ts";
import { workflowSpecFromJson } from "../mapping/workflow-spec.ts";
import { workflowListToJson, workflowToJson } from "../mapping/workflow.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceFields } from "../telemetry/trace-context.ts";

/** What the workflow handlers call. */
interface WorkflowServices {
  readonly orchestrator: OrchestratorClient;
  readonly consumeQuota: ConsumeQuota;
  readonly logger: Logger;
}

/** Serves `submitWorkflow`: counts the submission, then makes it. */
export function submitWorkflow({
  orchestrator,
  consumeQuota,
  logger,
}: WorkflowServices): Handler<"submitWorkflow"> {
  return async function submitWorkflow(req, res) {
    const { call, caller, trace } = res.locals;
    const spec = workflowSpecFromJson(req.body);
    res.set(await consumeQuota(caller, call));
    const idempotencyKey = req.get("Idempotency-Key") ?? "";
    const workflow = await orchestrator.submitWorkflow({ spec, idempotencyKey }, call);
    logger.info(
      { event: "workflow.submit", ...traceFields(trace), workflow_id: workflow.id, steps: spec.steps.length },
      "workflow.submit",
    );
    res
      .status(201)
      .location(`/v1/workflows/${encodeURIComponent(workflow.id)}`)
      .json(workflowToJson(workflow));
  };
}

/** Serves `listWorkflows`. */
export function listWorkflows({ orchestrator }: WorkflowServices): Handler<"listWorkflows"> {
  return async function listWorkflows(req, res) {
    const { page_size, page_token, state, label } = req.query;
    const page = await orchestrator.listWorkflows(
      {
        ...(page_size === undefined ? {} : { pageSize: page_size }),
        pageToken: page_token ?? "",
        labelSelector: labelSelectorFromQuery(label ?? []),
        ...(state === undefined ? {} : { stateFilter: jobStateFromJson(state) }),
      },
      res.locals.call,
    );
    res.json(workflowListToJson(page));
  };
}

/** Serves `getWorkflow`. */
export function getWorkflow({ orchestrator }: WorkflowServices): Handler<"getWorkflow"> {
  return async function getWorkflow(req, res) {
    const workflow = await orchestrator.getWorkflow({ workflowId: req.params.id }, res.locals.call);
    res.json(workflowToJson(workflow));
  };
}

/** Serves `cancelWorkflow`. */
export function cancelWorkflow({ orchestrator }: WorkflowServices): Handler<"cancelWorkflow"> {
  return async function cancelWorkflow(req, res) {
    const workflow = await orchestrator.cancelWorkflow({ workflowId: req.params.id }, res.locals.call);
    res.json(workflowToJson(workflow));
  };
}

/** Serves `retryWorkflow`. */
export function retryWorkflow({ orchestrator }: WorkflowServices): Handler<"retryWorkflow"> {
  return async function retryWorkflow(req, res) {
    const workflow = await orchestrator.retryWorkflow({ workflowId: req.params.id }, res.locals.call);
    res.json(workflowToJson(workflow));
  };
}
