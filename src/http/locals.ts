import type { ContextValues } from "@connectrpc/connect";
import type { ErrorRequestHandler, RequestHandler } from "express";
import type { Caller } from "../auth/caller.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

/** The options of a gRPC call. */
export interface Call {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Says whose the response is, where it waits for memory. */
  readonly contextValues: ContextValues;
}

/** What the pipeline knows of a request, in `res.locals`; each middleware sets its own. */
export type Locals = {
  trace: TraceContext;
  /** The route's path template; undefined where no route matched. */
  route?: string;
  /** Whether the request may be repeated without doing its work twice. */
  safeToRepeat?: boolean;
  /** Whether the answer is left out where the client has it already. */
  isConditional?: boolean;
  /** For how long the request waited because its client had asked for that, in milliseconds on a clock. */
  wait?: { readonly start: number; readonly end?: number };
  /** Whether an error broke the answer off after its head was sent. */
  isBrokenOff?: boolean;
  /** Forgets a large body, once it is of no use any more, so that the next one can be parsed. */
  dropBody?: () => void;
  /** Answers 500 in the place of JSON that the contract does not allow; only in tests. */
  checkJson?: (json: unknown) => void;
  /** Who calls; set on every operation that the contract secures. */
  caller: Caller;
  /** Deadline, cancellation and metadata of the gRPC calls made for this request. */
  call: Call;
};

/** A middleware that knows the locals. */
export type Middleware = RequestHandler<object, unknown, unknown, object, Locals>;

/** One that takes errors. */
export type ErrorMiddleware = ErrorRequestHandler<object, unknown, unknown, object, Locals>;
