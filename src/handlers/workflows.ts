import type { ServerResponse } from "node:http";
import type { Authenticator } from "../auth/authenticator.ts";
import type { ConsumeQuota } from "../auth/quota.ts";
import { standingOf } from "../auth/standing.ts";
import type { Handler } from "../contract.ts";
import { isTerminal, jobStateFromJson } from "../mapping/job-state.ts";
import { labelSelectorFromQuery } from "../mapping/label-selector.ts";
import { rankRequestFromJson, rankingToJson } from "../mapping/ranking.ts";
import { workflowPlanFrom } from "../mapping/workflow-plan.ts";
import { workflowSpecFromJson } from "../mapping/workflow-spec.ts";
import { workflowListToJson, workflowToJson } from "../mapping/workflow.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { awaitEnd } from "../sse/await-end.ts";
import type { Patience } from "../sse/follow-workflow.ts";
import type { OpenStreams } from "../sse/open-streams.ts";
import { waitPreference } from "../sse/wait-preference.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceFields } from "../telemetry/trace-context.ts";

/** What the workflow handlers call. */
interface WorkflowServices {
  readonly orchestrator: OrchestratorClient;
  readonly authenticator: Authenticator;
  readonly consumeQuota: ConsumeQuota;
  readonly streams: OpenStreams;
  readonly patience: Patience;
  /** Lets a request that waits no longer count among those in flight, until what it returns is called. */
  readonly stepAside: (res: ServerResponse) => () => Promise<void>;
  readonly logger: Logger;
}

/** Serves `submitWorkflow`: counts the submission, then makes it; or only tells its plan, where no more is asked for. */
export function submitWorkflow({
  orchestrator,
  consumeQuota,
  logger,
}: WorkflowServices): Handler<"submitWorkflow"> {
  return async function submitWorkflow(req, res) {
    if (req.query.validate_only === true) {
      res.json(workflowPlanFrom(req.body));
      return;
    }
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

/** Serves `getWorkflow`; where it is preferred, waits for the workflow's end before it reads again. */
export function getWorkflow(services: WorkflowServices): Handler<"getWorkflow"> {
  const { orchestrator, authenticator, streams, patience, stepAside } = services;
  return async function getWorkflow(req, res) {
    const { call, caller, trace } = res.locals;
    const workflowId = req.params.id;
    const seconds = waitPreference(req.get("Prefer"));
    const maxMs = 1000 * (seconds ?? 0);
    const read = () => orchestrator.getWorkflow({ workflowId }, call);
    // One that is waited for is not kept meanwhile: it may be large, and there are thousands of places to wait at.
    let workflow = await read().then((it) => (maxMs > 0 && !isTerminal(it.state) ? undefined : it));
    if (workflow === undefined) {
      const comeBack = stepAside(res);
      const start = performance.now();
      res.locals.wait = { start };
      const standing = standingOf(authenticator, caller, trace);
      await awaitEnd(workflowId, call, { orchestrator, streams, patience, standing, maxMs });
      res.locals.wait = { start, end: performance.now() };
      await comeBack();
      workflow = await read();
    }
    if (seconds !== undefined) res.set("Preference-Applied", `wait=${seconds}`);
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

/** Serves `rankDesigns`. */
export function rankDesigns({ orchestrator }: WorkflowServices): Handler<"rankDesigns"> {
  return async function rankDesigns(req, res) {
    const request = rankRequestFromJson(req.params.id, req.body);
    res.json(rankingToJson(await orchestrator.rankDesigns(request, res.locals.call)));
  };
}
