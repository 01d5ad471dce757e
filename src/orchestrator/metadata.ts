import { traceparentOf } from "../telemetry/trace-context.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

/**
 * The gRPC metadata of a call (contract section 1): the trace, and the principal that scopes it. Nothing else
 * of a client's request goes upstream, so it is built from nothing here, never copied.
 */
export function outgoingMetadata(trace: TraceContext, principal?: string): Headers {
  const metadata = new Headers({ traceparent: traceparentOf(trace) });
  if (trace.tracestate !== undefined) metadata.set("tracestate", trace.tracestate);
  if (principal !== undefined) metadata.set("ff-principal", principal);
  return metadata;
}
