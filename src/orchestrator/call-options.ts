import { createContextKey } from "@connectrpc/connect";
import type { CallOptions, ContextValues } from "@connectrpc/connect";
import { withReadOptions } from "../grpc/index.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

/** The request that a call is made for. */
interface CallContext {
  readonly trace: TraceContext;
  /** The principal to which the call is scoped; undefined for the admin. */
  readonly principal?: string | undefined;
  /** The hash of the API key, which owns the response while it waits for memory. */
  readonly keyHash?: string | undefined;
}

type CallLimits = Pick<CallOptions, "signal" | "timeoutMs">;

/** The options of the calls for a request. */
export interface RequestCallOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The trace, and the owner of responses that wait for memory. */
  readonly contextValues: ContextValues;
}

const traceKey = createContextKey<TraceContext | undefined>(undefined);

/**
 * The options of a call. Its metadata is the principal; the observer `traceCalls` adds the trace. The metadata is built
 * here and never copied, so that no other header of a client's request is forwarded.
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
