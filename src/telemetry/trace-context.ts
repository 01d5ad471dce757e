import { randomUUID } from "node:crypto";

/** Where a request stands in its trace. */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  /** 2 lower-case hex digits. */
  readonly flags: string;
  /** The client's `tracestate`, when it sent one along with a valid `traceparent`. */
  readonly tracestate?: string;
}

/** W3C Trace Context §3.2: version, trace id, parent id, flags. A later version may append fields. */
const traceparentPattern =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** §3.3.1.3: printable ASCII, and no more of it than must be passed on. */
const tracestatePattern = /^[ -~]{1,512}$/;

/** Where the sender of a `traceparent` stands in its trace; undefined where it is not valid (§4.3). */
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
 * Continues the client's trace, or starts one. A trace that starts here is sampled, as a root span would be by
 * default, so that what is behind still decides.
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

/** UUIDs come from a pool of random bytes; their first and last eight digits hold nothing else. */
function newSpanId(): string {
  const uuid = randomUUID();
  return uuid.slice(0, 8) + uuid.slice(-8);
}

/** What a log line says of the trace and the span it belongs to. */
export function traceFields({ traceId, spanId }: TraceContext): { trace_id: string; span_id: string } {
  return { trace_id: traceId, span_id: spanId };
}

/** The `traceparent` value for calls made within `trace`. */
export function traceparentOf(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.flags}`;
}
