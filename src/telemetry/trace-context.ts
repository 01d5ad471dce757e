import { randomUUID } from "node:crypto";

/** Every response has its trace id in this header. A request's own is only logged, and only if a trusted proxy sent it. */
export const requestIdHeader = "X-Request-Id";

/** The position of a request in its trace (W3C Trace Context). */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** 2 lower-case hex digits. */
  readonly flags: string;
  /** The client's `tracestate`, if it came with a valid `traceparent`. */
  readonly tracestate?: string;
  /** What a trusted proxy calls the request, for the log. */
  readonly requestId?: string;
}

/** §3.2: version, trace id, parent id, flags. A later version may append fields. */
const traceparentPattern =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** §3.3.1.3 and §3.3.1.5: printable ASCII, at most 512 characters. */
const tracestatePattern = /^[ -~]{1,512}$/;

/** The span of the sender of a `traceparent`; undefined if that is not valid (§4.3). */
export function parentContextFrom(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext | undefined {
  const match = traceparentPattern.exec(traceparent ?? "");
  const [, version, traceId, spanId, flags, rest] = match ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "00" && rest !== undefined) return undefined;
  const isKept = tracestate !== undefined && tracestatePattern.test(tracestate);
  return { traceId, spanId, flags, ...(isKept ? { tracestate } : {}) };
}

/**
 * Continues the client's trace, or starts one. A trace that starts here has the sampled flag, OpenTelemetry's default for
 * a root span, so that services behind the gateway still decide.
 */
export function traceContextFrom(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext {
  const parent = parentContextFrom(traceparent, tracestate);
  const spanId = newSpanId();
  if (parent === undefined) return { traceId: randomUUID().replaceAll("-", ""), spanId, flags: "01" };
  return { ...parent, spanId };
}

/** Node creates UUIDs from a pool of random bytes, which is fast; their first and last eight digits are all random. */
function newSpanId(): string {
  const uuid = randomUUID();
  return uuid.slice(0, 8) + uuid.slice(-8);
}

/** The fields of a log line that name its trace, its span and the request's id of a trusted proxy. */
export interface TraceFields {
  readonly trace_id: string;
  readonly span_id: string;
  /** Undefined fields are not logged. */
  readonly request_id: string | undefined;
}

export function traceFields({ traceId, spanId, requestId }: TraceContext): TraceFields {
  return { trace_id: traceId, span_id: spanId, request_id: requestId };
}

/** The `traceparent` of calls that belong to `trace`. */
export function traceparentOf(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.flags}`;
}
