import { createContextKey } from "@connectrpc/connect";
import type { CallOptions, ContextValues } from "@connectrpc/connect";
import { withReadOptions } from "../grpc/index.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

/** For whom a call is made. */
interface CallContext {
  readonly trace: TraceContext;
  /** Scopes the call; undefined for the admin. */
  readonly principal?: string | undefined;
  /** The API key for which the response waits for memory. */
  readonly keyHash?: string | undefined;
}

/** How long a call may last. */
type CallLimits = Pick<CallOptions, "signal" | "timeoutMs">;

/** The options of the calls that are made for a request. */
export interface RequestCallOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The trace, and the owner of the response, where it waits for memory. */
  readonly contextValues: ContextValues;
}

const traceKey = createContextKey<TraceContext | undefined>(undefined);

/**
 * The options of a call. Its metadata is the principal alone, and the trace, which the observer `traceCalls` adds.
 * Nothing else of a client's request is forwarded, so the metadata is built here and never copied.
 */
export function createCallOptions<Limits extends CallLimits>(
  { trace, principal, keyHash }: CallContext,
  limits: Limits,
): Limits & Pick<RequestCallOptions, "headers" | "contextValues"> {
  return {
    ...limits,
    headers: principal === undefined ? {} : { "ff-principal": principal },
    contextValues: withReadOptions({ owner: keyHash }).set(traceKey, trace),
  };
}

/** The trace of a call's options. */
export function traceOf(contextValues: ContextValues): TraceContext | undefined {
  return contextValues.get(traceKey);
}
