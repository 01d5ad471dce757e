import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  WorkflowEventSchema,
  type OrchestratorService,
  type WorkflowSpec,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { ApiKeys } from "./api-keys.ts";
import type { Billing } from "./billing.ts";
import { dagViolations } from "./dag.ts";
import { rankDesigns } from "./ranking.ts";
import type { Runner } from "./runner.ts";
import type { Tool } from "./tools/tool.ts";
import type { WorkflowRecord } from "./workflow-record.ts";
import type { Scope, WorkflowStore } from "./workflow-store.ts";

/** What the service is made of. */
export interface OrchestratorParts {
  readonly tools: ReadonlyMap<string, Tool>;
  readonly workflows: WorkflowStore;
  readonly runner: Runner;
  readonly apiKeys: ApiKeys;
  readonly billing: Billing;
  readonly now: () => number;
}

const defaultLedgerLimit = 50;
/** The most that the wire's int64 can carry. */
const maxCredits = 2n ** 63n - 1n;

function scopeOf(context: HandlerContext): Scope {
  return context.requestHeader.get("ff-principal") ?? undefined;
}

function invalid(violation: string): never {
  throw new ConnectError(violation, Code.InvalidArgument);
}

/** A scoped caller may read the credits of its own principal only. */
function checkPrincipal(principal: string, context: HandlerContext): void {
  if (principal === "") invalid("principal: must not be empty");
  const scope = scopeOf(context);
  if (scope !== undefined && scope !== principal)
    throw new ConnectError("a principal can read its own credits only", Code.PermissionDenied);
}

function queueFailedSteps(record: WorkflowRecord): void {
  for (const { stepId, state } of record.workflow.stepStatuses) {
    if (state !== JobState.FAILED) continue;
    record.updateStep(stepId, {
      state: JobState.QUEUED,
      fraction: 0,
      error: undefined,
      finishedAt: undefined,
    });
  }
  record.setState(JobState.QUEUED);
}

/** Creates the implementation of every RPC. */
export function createOrchestratorService(parts: OrchestratorParts): ServiceImpl<typeof OrchestratorService> {
  const { tools, workflows, runner, apiKeys, billing, now } = parts;

  function checkSpec(spec: WorkflowSpec | undefined): WorkflowSpec {
    if (spec === undefined) return invalid("spec: is missing");
    const violations = dagViolations(spec, tools);
    return violations.length === 0 ? spec : invalid(violations.join("; "));
  }

  return {
    submitWorkflow({ spec, idempotencyKey }, context) {
      const submission = { spec: checkSpec(spec), idempotencyKey, scope: scopeOf(context) };
      const earlier = workflows.findEarlier(submission);
      if (earlier !== undefined) return earlier.workflow;
      // Nothing is awaited from here on, so that there is never a debit without its workflow.
      const id = randomUUID();
      billing.debit(submission.scope, id, submission.spec.steps.length);
      const record = workflows.add(id, submission);
      const { workflow } = record;
      runner.start(record);
      return workflow;
    },
    getWorkflow: ({ workflowId }, context) => workflows.get(workflowId, scopeOf(context)).workflow,
    listWorkflows: (request, context) => workflows.list(request, scopeOf(context)),
    async *streamWorkflowEvents({ workflowId, fromEventId }, context) {
      const record = workflows.get(workflowId, scopeOf(context));
      const { workflow, log } = record;
      const after = fromEventId === 0n ? log.lastId : fromEventId;
      if (fromEventId === 0n) {
        const event = { case: "workflowUpdate", value: workflow } as const;
        yield create(WorkflowEventSchema, { workflowId, event, at: timestampFromMs(now()) });
      }
      yield* log.follow(after, record.isTerminal, context.signal);
    },
    cancelWorkflow({ workflowId }, context) {
      const record = workflows.get(workflowId, scopeOf(context));
      if (!record.isTerminal()) runner.cancel(record);
      return record.workflow;
    },
    retryWorkflow({ workflowId }, context) {
      const record = workflows.get(workflowId, scopeOf(context));
      const { state } = record.workflow;
      if (state !== JobState.FAILED) {
        const message = `workflow ${workflowId} is ${JobState[state]}: only a FAILED workflow can be retried`;
        throw new ConnectError(message, Code.FailedPrecondition);
      }
      // What the failure refunded is debited again.
      billing.debit(record.principal, workflowId, record.countUnstarted());
      queueFailedSteps(record);
      const { workflow } = record;
      runner.start(record);
      return workflow;
    },
    authenticateApiKey: ({ keyHash }) => apiKeys.authenticate(keyHash),
    consumeQuota: ({ keyHash }) => apiKeys.consume(keyHash),
    getBalance({ principal }, context) {
      checkPrincipal(principal, context);
      return { balance: billing.balance(principal) };
    },
    listLedger({ principal, limit }, context) {
      checkPrincipal(principal, context);
      if (limit < 0) invalid("limit: must not be negative");
      return { entries: [...billing.entries(principal, limit || defaultLedgerLimit)] };
    },
    grantCredits({ principal, amount, reason, idempotencyKey }, context) {
      checkPrincipal(principal, context);
      if (amount <= 0n) invalid("amount: must be above 0");
      if (billing.balance(principal) + amount > maxCredits)
        invalid("amount: is more than a balance can hold");
      billing.grant(principal, amount, reason, idempotencyKey);
      return { balance: billing.balance(principal) };
    },
    rankDesigns(request, context) {
      const { workflow } = workflows.get(request.workflowId, scopeOf(context));
      return rankDesigns(workflow.stepStatuses, request);
    },
  };
}
