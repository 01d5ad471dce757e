import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Authenticator } from "../auth/authenticator.ts";
import { keyHashOf } from "../auth/caller.ts";
import type { Handler } from "../contract.ts";
import { errorResponse } from "../errors/error-response.ts";
import { openEventSource } from "../events/event-source.ts";
import type { WorkflowEventSource } from "../events/event-source.ts";
import { isRetryable } from "../events/retry-policy.ts";
import type { RetryPolicy } from "../events/retry-policy.ts";
import { SseWriter } from "../events/sse-writer.ts";
import type { StreamRegistry } from "../events/stream-registry.ts";
import type { MessageMemory } from "../grpc/index.ts";
import type { WriteJson } from "../http/write-json.ts";
import type { Transcoders } from "../mapping/workflow.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import type { Metrics } from "../telemetry/metrics.ts";

interface EventServices {
  readonly orchestrator: OrchestratorClient;
  readonly authenticator: Authenticator;
  readonly streams: StreamRegistry;
  readonly retryPolicy: RetryPolicy;
  readonly searchMemory: MessageMemory;
  readonly writeJson: WriteJson;
  readonly transcoders: Transcoders;
  readonly trackBuffered: (socket: Socket) => void;
  readonly metrics: Pick<Metrics, "countEvent">;
}

/** The headers are sent after this time even without an event or error, in milliseconds. */
const headersTimeoutMs = 1000;

/**
 * An error before the headers sets the status of the response; a stream that ends before them is 204. After the headers, a
 * fatal error is sent as an event. After that event, and after the last retry, the handler rejects, which destroys the
 * connection.
 */
export function streamWorkflowEvents(services: EventServices): Handler<"streamWorkflowEvents"> {
  const { orchestrator, authenticator, streams, retryPolicy, searchMemory, writeJson, transcoders } =
    services;
  const writerOptions = { countEvent: services.metrics.countEvent, trackBuffered: services.trackBuffered };
  return async function streamWorkflowEvents(req, res) {
    const { callOptions, caller, trace } = res.locals;
    const fromEventId = BigInt(req.get("Last-Event-ID") ?? req.query.lastEventId ?? 0);
    const writer = new SseWriter(res, writerOptions);
    // Not disposed by `using`, whose list of resources takes 0.2 KiB for as long as a stream is open.
    const registration = streams.add(writer, authenticator.revalidationOf(caller, trace));
    let source: WorkflowEventSource | undefined;
    let headersTimer: NodeJS.Timeout | undefined = setTimeout(() => writer.start(), headersTimeoutMs);
    try {
      source = await openEventSource(orchestrator, req.params.id, callOptions, {
        fromEventId,
        retryPolicy,
        mayRetry: () => writer.areHeadersSent,
        searchMemory,
        writeJson,
        transcoders: transcoders.full,
        owner: keyHashOf(caller),
      });
      // The next event of a running workflow may be hours away, and a request counts as in flight until its response
      // begins. Only a resume has read the workflow, and so knows that the caller may see it.
      if (fromEventId > 0n && source.isFollowing) writer.start();
      for (;;) {
        const next = await source.next();
        clearTimeout(headersTimer);
        headersTimer = undefined;
        if (next.kind === "end") return endResponse(writer, next.isAfterTerminalEvent);
        if (next.kind === "unknown") writer.start();
        else {
          registration.recordSent();
          await writer.write(next);
        }
      }
    } catch (error) {
      if (writer.areHeadersSent && !isRetryable(error)) {
        const { body } = errorResponse(error, { isIdempotent: true, traceId: trace.traceId });
        res.locals.errorCode = body.code;
        await writer.fail(body);
      }
      throw error;
    } finally {
      clearTimeout(headersTimer);
      registration[Symbol.dispose]();
      await source?.[Symbol.asyncDispose]();
    }
  };
}

function endResponse(writer: SseWriter, isAfterTerminalEvent: boolean): void {
  if (!writer.areHeadersSent) return writer.endEmpty();
  // Too late for 204, and a clean end would mean that this response has a terminal event.
  if (!isAfterTerminalEvent)
    throw new ConnectError("the stream ended without a terminal event", Code.Unavailable);
  writer.end();
}
