import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorRequestHandler, RequestHandler } from "express";
import type { Caller } from "../auth/caller.ts";
import type { Violation } from "../errors/http-error.ts";
import type { Permit } from "../load-shedding/load-shedding.ts";
import type { RequestCallOptions } from "../orchestrator/call-options.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import type { Client } from "./client.ts";
import type { RouteMatch } from "./router.ts";

/** `res.locals` from the first stage on. */
export type MatchedLocals = {
  /** Undefined if the contract does not have the path. */
  match: RouteMatch | undefined;
  /** Set by load shedding; undefined for a request that is exempt. */
  permit?: Permit | undefined;
};

/** `res.locals` after `client`. */
export type ClientLocals = MatchedLocals & {
  client: Client;
};

/** `res.locals` after `trace`. The optional fields are for the log, the metrics and the spans. */
export type TracedLocals = ClientLocals & {
  trace: TraceContext;
  /** The path template. Set by `dispatch`; undefined if no path matches, or if its parameters are malformed. */
  route?: string;
  /** Set by `authentication`. */
  caller?: Caller;
  /** How long the request waited because of its `Prefer: wait`, in milliseconds on a monotonic clock. */
  wait?: { readonly start: number; readonly end?: number };
  /** The valid id in the path, or that of the submitted workflow. */
  workflowId?: string;
  /** The `code` of the error body that was sent. */
  errorCode?: string;
  /** Whether an error aborted the response after its headers were sent. */
  isAborted?: boolean;
};

/** `res.locals` in the handlers of operations that the contract secures. */
export type AuthenticatedLocals = TracedLocals & {
  caller: Caller;
  /** Deadline, cancellation and metadata of the gRPC calls made for this request. */
  callOptions: RequestCallOptions;
};

/** `res.locals` in the handlers of operations that a signature over their body authenticates. */
export type SignedLocals = TracedLocals & {
  /** The body as it was sent. Nothing of it is valid until the handler has verified its signature. */
  bytes: Buffer;
  callOptions: RequestCallOptions;
};

/** `res.locals` in the handlers of operations with a body. */
export type BodyLocals = AuthenticatedLocals & {
  /** Releases a large body before the response begins, so that the next one can be parsed. */
  releaseBody?: () => void;
  /** Set by `validation`: what is probably wrong in a valid body. Undefined if there is nothing. */
  warnings?: readonly Violation[];
};

/** `res.locals` in the stages of any operation. */
export type OperationLocals = BodyLocals & SignedLocals;

/** A stage before Express. */
export type ServerStage = (
  req: IncomingMessage,
  res: ServerResponse & { locals: MatchedLocals },
  next: () => void,
) => void;

/** A stage in Express that finds `Given` in `res.locals` and adds `Added`. */
export type Middleware<Given extends object = TracedLocals, Added extends object = object> = RequestHandler<
  object,
  unknown,
  unknown,
  object,
  Given & Partial<Added>
>;

/** A stage in Express that takes errors. */
export type ErrorMiddleware = ErrorRequestHandler<object, unknown, unknown, object, TracedLocals>;

/**
 * Composes stages: each calls `next` or responds. An error skips the rest, whether it is thrown, rejected or passed to
 * `next`. Express's own Router would match the path again for every stage, and reset `req.params`.
 */
export function inOrder<Req, Res>(
  stages: readonly ((req: Req, res: Res, next: (error?: unknown) => void) => unknown)[],
): (req: Req, res: Res, done: (error?: unknown) => void) => void {
  return function inOrder(req, res, done) {
    let index = 0;
    function next(error?: unknown): void {
      const stage = stages[index++];
      if (error !== undefined || stage === undefined) return done(error);
      try {
        const result = stage(req, res, next);
        if (result instanceof Promise) result.catch(fail);
      } catch (thrown) {
        fail(thrown);
      }
    }
    function fail(reason: unknown): void {
      done(reason ?? new Error("a stage failed without an error"));
    }
    next();
  };
}
