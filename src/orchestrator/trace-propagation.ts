import type { CallObserver } from "../grpc/index.ts";
import type { StartCallSpan } from "../telemetry/call-spans.ts";
import { traceparentOf } from "../telemetry/trace-context.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import { traceOf } from "./call-options.ts";

/**
 * Sends the trace of each call as W3C Trace Context (https://www.w3.org/TR/trace-context/). With `startSpan` each call
 * has a span, and the span's trace is sent.
 */
export function traceCalls(startSpan?: StartCallSpan): CallObserver {
  return {
    started({ method, contextValues }) {
      const parent = traceOf(contextValues);
      if (startSpan === undefined) return { metadata: parent && traceMetadata(parent) };
      const span = startSpan(method, parent);
      return { metadata: traceMetadata(span.trace), ended: (code) => span.ended(code) };
    },
  };
}

function traceMetadata(trace: TraceContext): Record<string, string> {
  const traceparent = traceparentOf(trace);
  return trace.tracestate === undefined ? { traceparent } : { traceparent, tracestate: trace.tracestate };
}
