import { traceparentOf } from "../telemetry/trace-context.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

/** The metadata of a call, by lower-case names. */
type Metadata = Readonly<Record<string, string>>;

/**
 * The gRPC metadata of a call: the trace, and the principal that scopes it. Nothing else
 * of a client's request goes upstream, so it is built from nothing here, never copied.
 */
export function outgoingMetadata(trace: TraceContext, principal?: string): Metadata {
  const metadata: Record<string, string> = { traceparent: traceparentOf(trace) };
  if (trace.tracestate !== undefined) metadata["tracestate"] = trace.tracestate;
  if (principal !== undefined) metadata["ff-principal"] = principal;
  return metadata;
}
