import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import type { Request, Response } from "express";
import type { Authenticator } from "../auth/authenticator.ts";
import { keyHashOf } from "../auth/caller.ts";
import type { ConsumeQuota } from "../auth/quota.ts";
import { checkWorkflow, sendConditionalWorkflow } from "../http/conditional-workflow.ts";
import { strongETags } from "../http/etag.ts";
import type { Handler, Schema } from "../contract.ts";
import { HttpError } from "../errors/http-error.ts";
import { rethrowSubmitError } from "../errors/insufficient-credits.ts";
import { sendJson } from "../http/json-response.ts";
import { sendMessage } from "../http/send-message.ts";
import type { MessageSender } from "../http/send-message.ts";
import type { AuthenticatedLocals, BodyLocals } from "../http/stages.ts";
import { isTerminal } from "../mapping/job-state.ts";
import { listRequestFromQuery } from "../mapping/list-request.ts";
import { readWorkflowStatus } from "../mapping/workflow-event.ts";
import { workflowPlanFromSpec } from "../mapping/workflow-plan.ts";
import { submitRequestFromJson } from "../mapping/submit-request.ts";
import { readWorkflowId, withWarnings } from "../mapping/workflow.ts";
import type { Transcoders } from "../mapping/workflow.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { listPage } from "../orchestrator/list-page.ts";
import { hasPreconditions } from "../http/preconditions.ts";
import { requesterOf } from "../http/requester.ts";
import { awaitTerminal } from "../events/await-terminal.ts";
import type { RetryPolicy } from "../events/retry-policy.ts";
import type { StreamRegistry } from "../events/stream-registry.ts";
import { waitPreference } from "../http/prefer-wait.ts";
import { runSync } from "../load-shedding/task-queue.ts";
import type { TaskQueue } from "../load-shedding/task-queue.ts";
import type { Audit } from "../telemetry/audit.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Requester } from "../telemetry/requester.ts";
import { traceFields } from "../telemetry/trace-context.ts";

interface WorkflowServices extends MessageSender {
  readonly orchestrator: OrchestratorClient;
  readonly authenticator: Authenticator;
  readonly consumeQuota: ConsumeQuota;
  readonly streams: StreamRegistry;
  readonly retryPolicy: RetryPolicy;
  readonly tasks: TaskQueue;
  readonly transcoders: Transcoders;
  /** The maximum size of a submission's message and of a page of workflows, in bytes. */
  readonly maxRequestBytes: number;
  readonly maxPageBytes: number;
  /** In credits; undefined if it is not known. */
  readonly pricePerStep: number | undefined;
  readonly logger: Logger;
  readonly audit: Audit;
}

/** 413 for a message that gRPC servers would reject. */
function tooLarge(bytes: number, maxBytes: number): HttpError {
  const message = `the workflow is ${bytes} bytes as a message to the orchestrator, and at most ${maxBytes} are allowed; numbers take 11 bytes each there: store large parameters as a string`;
  return new HttpError(Code.InvalidArgument, message, { status: 413 });
}

/** The submission as a message to the orchestrator. Throws 413 if the orchestrator would reject its size. */
async function encodeSubmission(
  spec: Schema["WorkflowSpec"],
  idempotencyKey: string,
  { caller, releaseBody }: BodyLocals,
  { tasks, maxRequestBytes }: WorkflowServices,
): Promise<Uint8Array> {
  // The generator is not kept in a variable, which would keep the body in memory after the generator's end.
  const encode = () => submitRequestFromJson(spec, idempotencyKey);
  const isLarge = releaseBody !== undefined;
  const request = isLarge ? await tasks.run(keyHashOf(caller), encode()) : runSync(encode());
  if (request.length > maxRequestBytes) throw tooLarge(request.length, maxRequestBytes);
  return request;
}

/** Checks all that a submission does before it consumes quota. */
export function validateWorkflow(services: WorkflowServices): Handler<"validateWorkflow"> {
  return async function validateWorkflow(req, res) {
    await encodeSubmission(req.body, "", res.locals, services);
    const plan = workflowPlanFromSpec(req.body, services.pricePerStep);
    const { warnings } = res.locals;
    await sendJson(res, warnings === undefined ? plan : { ...plan, warnings: [...warnings] });
  };
}

/** Consumes quota and submits the workflow. */
export function submitWorkflow(services: WorkflowServices): Handler<"submitWorkflow"> {
  const { orchestrator, consumeQuota, transcoders, logger, audit } = services;
  return async function submitWorkflow(req, res) {
    const idempotencyKey = req.get("Idempotency-Key") ?? "";
    const request = await encodeSubmission(req.body, idempotencyKey, res.locals, services);
    const { callOptions, caller, trace, warnings } = res.locals;
    const steps = req.body.steps.length;
    // From here on, the encoded message is enough.
    res.locals.releaseBody?.();
    res.set(await consumeQuota(caller, callOptions));
    using workflow = await orchestrator.submitWorkflow(request, callOptions).catch(rethrowSubmitError);
    const id = readWorkflowId(workflow.bytes);
    res.locals.workflowId = id;
    // The event of the contract, for pipelines that exist. The audit event does not depend on LOG_LEVEL.
    logger.info(
      { event: "workflow.submit", ...traceFields(trace), workflow_id: id, steps },
      "workflow.submit",
    );
    audit.workflowSubmitted(requesterOf(res.locals), id);
    res.status(201).location(`/v1/workflows/${encodeURIComponent(id)}`);
    const json =
      warnings === undefined ? transcoders.full.workflow : withWarnings(transcoders.full.workflow, warnings);
    await sendMessage(res, json, workflow, services);
  };
}

export function listWorkflows(services: WorkflowServices): Handler<"listWorkflows"> {
  const { orchestrator, maxPageBytes } = services;
  return async function listWorkflows(req, res) {
    using page = await listPage(
      orchestrator,
      listRequestFromQuery(req.query),
      res.locals.callOptions,
      maxPageBytes,
    );
    await sendMessage(res, services.transcoders[req.query.view ?? "full"].workflowList, page, services);
  };
}

/** With `Prefer: wait`, waits until the workflow is terminal and reads it again. */
export function getWorkflow(services: WorkflowServices): Handler<"getWorkflow"> {
  const { orchestrator, authenticator, streams, retryPolicy } = services;
  return async function getWorkflow(req, res) {
    const { callOptions, caller, permit, trace } = res.locals;
    const workflowId = req.params.id;
    const seconds = waitPreference(req.get("Prefer"));
    const maxMs = 1000 * (seconds ?? 0);
    const read = () => orchestrator.getWorkflow({ workflowId }, callOptions);
    using first = await read();
    let last = first;
    if (maxMs > 0 && !isTerminal(readWorkflowStatus(first.bytes).state)) {
      // The message may be large, and thousands of requests may wait.
      first[Symbol.dispose]();
      const resume = permit?.suspend();
      const start = performance.now();
      res.locals.wait = { start };
      const revalidation = authenticator.revalidationOf(caller, trace);
      await awaitTerminal(workflowId, callOptions, {
        orchestrator,
        streams,
        retryPolicy,
        revalidation,
        maxMs,
      });
      res.locals.wait = { start, end: performance.now() };
      await resume?.();
      last = await read();
    }
    using workflow = last;
    if (seconds !== undefined) res.set("Preference-Applied", `wait=${seconds}`);
    await sendConditionalWorkflow(
      res,
      services.transcoders[req.query.view ?? "full"].workflow,
      workflow,
      services,
    );
  };
}

/**
 * Throws 412 unless the workflow meets the preconditions of the request (RFC 9110 §13.1); reads it only if there are any.
 * Changes between this read and the call that follows go unnoticed: the orchestrator's calls have no preconditions.
 */
async function requirePreconditions(
  req: IncomingMessage,
  { callOptions, caller }: AuthenticatedLocals,
  request: { readonly workflowId: string },
  { orchestrator, writeJson, transcoders }: WorkflowServices,
): Promise<void> {
  if (!hasPreconditions(req)) return;
  using workflow = await orchestrator.getWorkflow(request, callOptions);
  using text = await writeJson(transcoders.full.workflow, workflow.bytes, keyHashOf(caller));
  checkWorkflow(req, workflow.bytes, strongETags(text.pieces()));
}

/** Changes a workflow by `rpc` if it meets the preconditions of the request, logs that by `record`, and sends the result. */
function changeWorkflow(
  rpc: "cancelWorkflow" | "retryWorkflow",
  record: (by: Requester, workflowId: string) => void,
  services: WorkflowServices,
): (
  req: Request<{ id: string }, Schema["Workflow"], unknown, object, AuthenticatedLocals>,
  res: Response<Schema["Workflow"], AuthenticatedLocals>,
) => Promise<void> {
  return async function changeWorkflow(req, res) {
    const request = { workflowId: req.params.id };
    await requirePreconditions(req, res.locals, request, services);
    using workflow = await services.orchestrator[rpc](request, res.locals.callOptions);
    record(requesterOf(res.locals), request.workflowId);
    await sendMessage(res, services.transcoders.full.workflow, workflow, services);
  };
}

export function cancelWorkflow(services: WorkflowServices): Handler<"cancelWorkflow"> {
  return changeWorkflow("cancelWorkflow", services.audit.workflowCancelled, services);
}

export function retryWorkflow(services: WorkflowServices): Handler<"retryWorkflow"> {
  return changeWorkflow("retryWorkflow", services.audit.workflowRetried, services);
}
