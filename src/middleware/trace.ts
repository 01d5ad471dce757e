import type { ServerResponse } from "node:http";
import { finalStatus } from "../http/final-status.ts";
import type { ClientLocals, Middleware, TracedLocals } from "../http/stages.ts";
import type { StartRequestSpan } from "../telemetry/request-spans.ts";
import { parentContextFrom, requestIdHeader, traceContextFrom } from "../telemetry/trace-context.ts";

/** Gives each request its trace, each response the trace id and, with `startSpan`, a span that ends with the response. */
export function trace(startSpan?: StartRequestSpan): Middleware<ClientLocals, TracedLocals> {
  return function trace(req, res, next) {
    const headers = [req.get("traceparent"), req.get("tracestate")] as const;
    const { client } = res.locals;
    const span = startSpan?.(req, parentContextFrom(...headers), client);
    const trace = span?.trace ?? traceContextFrom(...headers);
    res.locals.trace = client.requestId === undefined ? trace : { ...trace, requestId: client.requestId };
    res.setHeader(requestIdHeader, trace.traceId);
    if (span === undefined) return next();
    res.on("close", function endSpan() {
      const { route, isAborted } = res.locals;
      const status = finalStatus(res);
      span.end({ route, status, errorType: errorTypeOf(res, status, isAborted) });
    });
    next();
  };
}

/**
 * The `error.type` of a span: the status of a 5xx, `response_aborted` if the gateway aborted the response, or
 * `client_disconnected` if the client did not wait for all of it. A client may leave an event stream at any time.
 */
function errorTypeOf(res: ServerResponse, status: number | undefined, isAborted = false): string | undefined {
  if (status !== undefined && status >= 500) return String(status);
  if (isAborted) return "response_aborted";
  if (status === undefined) return "client_disconnected";
  const isComplete = res.writableFinished || !res.headersSent || isEventStream(res);
  return isComplete ? undefined : "client_disconnected";
}

function isEventStream(res: ServerResponse): boolean {
  return res.getHeader("Content-Type") === "text/event-stream";
}
