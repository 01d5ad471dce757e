import type { Socket } from "node:net";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Handler } from "../contract.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import type { MessageMemory } from "../grpc/index.ts";
import { createEventUpstream } from "../events/event-source.ts";
import { followWorkflow } from "../events/follow-workflow.ts";
import type { EventClient } from "../events/follow-workflow.ts";
import type { RetryPolicy } from "../events/retry-policy.ts";
import type { StreamRegistry } from "../events/stream-registry.ts";
import { serveEvents } from "../events/serve-events.ts";
import type { WriteJson } from "../http/write-json.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** What the event handler calls. */
interface EventServices {
  readonly orchestrator: OrchestratorClient;
  readonly authenticator: Authenticator;
  readonly streams: StreamRegistry;
  readonly retryPolicy: RetryPolicy;
  readonly searchMemory: MessageMemory;
  readonly writeJson: WriteJson;
  readonly noteBuffered: (socket: Socket) => void;
  readonly metrics: Metrics;
}

/** How long the headers of a stream wait for its first event, in milliseconds. */
const headStartMs = 1000;

/** Serves `streamWorkflowEvents`. */
export function streamWorkflowEvents(services: EventServices): Handler<"streamWorkflowEvents"> {
  const {
    orchestrator,
    authenticator,
    streams,
    searchMemory,
    retryPolicy,
    writeJson,
    noteBuffered,
    metrics,
  } = services;
  const { idleTimeoutMs } = retryPolicy;
  return function streamWorkflowEvents(req, res) {
    const { call, caller, trace } = res.locals;
    const lastEventId = BigInt(req.get("Last-Event-ID") ?? req.query.lastEventId ?? 0);
    const upstream = createEventUpstream(orchestrator, req.params.id, call, { idleTimeoutMs, searchMemory });
    const follow = (client: EventClient) => followWorkflow(upstream, lastEventId, client, retryPolicy);
    const revalidation = authenticator.revalidationOf(caller, trace);
    return serveEvents(follow, res, {
      streams,
      headStartMs,
      revalidation,
      writeJson,
      noteBuffered,
      sent: metrics.countEvent,
    });
  };
}
