import { keyHashOf } from "../auth/caller.ts";
import type { Handler, Schema } from "../contract.ts";
import { invalidRequest } from "../errors/http-error.ts";
import { sendMessage } from "../http/send-message.ts";
import type { MessageSender } from "../http/send-message.ts";
import type { AuthenticatedLocals } from "../http/stages.ts";
import type { TaskQueue } from "../load-shedding/task-queue.ts";
import { isTerminal } from "../mapping/job-state.ts";
import { findMetrics } from "../mapping/find-metrics.ts";
import { rankRequestFromJson, rankingTranscoder, ranksNone } from "../mapping/ranking.ts";
import { readWorkflowStatus } from "../mapping/workflow-event.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { metricViolations } from "../validation/metric-violations.ts";

interface RankingServices extends MessageSender {
  readonly orchestrator: OrchestratorClient;
  readonly tasks: TaskQueue;
}

export function rankDesigns(services: RankingServices): Handler<"rankDesigns"> {
  const { orchestrator } = services;
  return async function rankDesigns(req, res) {
    const { params, body } = req;
    // Other bodies can be parsed while the orchestrator ranks.
    res.locals.releaseBody?.();
    using ranking = await orchestrator.rankDesigns(
      rankRequestFromJson(params.id, body),
      res.locals.callOptions,
    );
    if (ranksNone(ranking.bytes)) await requireMetrics(body, params.id, res.locals, services);
    await sendMessage(res, rankingTranscoder, ranking, services);
  };
}

/**
 * Throws 400 if a metric of the request is none of a workflow whose designs are complete. The orchestrator ranks by any
 * name, and finds nothing.
 */
async function requireMetrics(
  request: Schema["RankRequest"],
  workflowId: string,
  { callOptions, caller }: AuthenticatedLocals,
  { orchestrator, tasks }: RankingServices,
): Promise<void> {
  using workflow = await orchestrator.getWorkflow({ workflowId }, callOptions);
  // Steps that are not finished may produce designs with other metrics.
  if (!isTerminal(readWorkflowStatus(workflow.bytes).state)) return;
  const { metric, filters = [] } = request;
  const wanted = [metric, ...filters.map((filter) => filter.metric)];
  const { missing, listed } = await tasks.run(keyHashOf(caller), findMetrics(workflow.bytes, wanted));
  const violations = metricViolations(request, missing, listed);
  if (violations.length > 0) throw invalidRequest(violations);
}
