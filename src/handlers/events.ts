import type { Socket } from "node:net";
import type { Authenticator } from "../auth/authenticator.ts";
import { standingOf } from "../auth/standing.ts";
import type { Handler } from "../contract.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import type { MessageMemory } from "../orchestrator/message-memory.ts";
import { createEventUpstream } from "../sse/event-upstream.ts";
import { followWorkflow } from "../sse/follow-workflow.ts";
import type { EventClient, Patience } from "../sse/follow-workflow.ts";
import type { OpenStreams } from "../sse/open-streams.ts";
import { serveEvents } from "../sse/serve-events.ts";
import type { WriteJson } from "../write-json.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** What the event handler calls. */
interface EventServices {
  readonly orchestrator: OrchestratorClient;
  readonly authenticator: Authenticator;
  readonly streams: OpenStreams;
  readonly patience: Patience;
  readonly searchMemory: MessageMemory;
  readonly writeJson: WriteJson;
  readonly noteBuffered: (socket: Socket) => void;
  readonly metrics: Metrics;
}

/** How long the headers of a stream wait for its first event, in milliseconds. */
const headStartMs = 1000;

/** Serves `streamWorkflowEvents`. */
export function streamWorkflowEvents(services: EventServices): Handler<"streamWorkflowEvents"> {
  const { orchestrator, authenticator, streams, searchMemory, patience, writeJson, noteBuffered, metrics } =
    services;
  const { lingerMs } = patience;
  return function streamWorkflowEvents(req, res) {
    const { call, caller, trace } = res.locals;
    const lastEventId = BigInt(req.get("Last-Event-ID") ?? req.query.lastEventId ?? 0);
    const upstream = createEventUpstream(orchestrator, req.params.id, call, { lingerMs, searchMemory });
    const follow = (client: EventClient) => followWorkflow(upstream, lastEventId, client, patience);
    const standing = standingOf(authenticator, caller, trace);
    return serveEvents(follow, res, {
      streams,
      headStartMs,
      standing,
      writeJson,
      noteBuffered,
      sent: metrics.countEvent,
    });
  };
}
