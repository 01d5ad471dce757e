import { Code } from "@connectrpc/connect";
import type { components } from "../../generated/openapi/gateway.v1.ts";

/** One fault of a request: where (JSON pointer) and what to change. */
export type Violation = Readonly<components["schemas"]["Violation"]>;

/** What a refusal may say beside its code and message. */
interface HttpErrorOptions {
  /** Replaces the status of the code's row, for what only HTTP knows: 405, 412, 413, 415, 416. */
  readonly status?: number;
  readonly violations?: readonly Violation[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error that the gateway raises itself. Its message goes to the client as it is; its cause is only logged. */
export class HttpError extends Error {
  readonly code: Code;
  readonly status: number | undefined;
  readonly violations: readonly Violation[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: Code, message: string, options: HttpErrorOptions = {}) {
    // What a client did wrong is told by the message, what failed behind by the cause; the way here says nothing,
    // and is dear to record.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "Refusal";
    this.code = code;
    this.status = options.status;
    this.violations = options.violations ?? [];
    this.headers = options.headers ?? {};
  }
}

/** Most faults that one answer lists: the contract's limit. */
export const maxViolations = 100;

/** Longest path and message of a fault: the contract's limit. */
const maxTextLength = 4096;

/** 400 with every fault of the request, each once, as many as an answer lists. */
export function invalidRequest(faults: readonly Violation[]): HttpError {
  const unique = new Map<string, Violation>();
  for (const { path, message } of faults) {
    const fault = { path: shortened(path), message: shortened(message) };
    unique.set(`${fault.path} ${fault.message}`, fault);
    if (unique.size === maxViolations) break;
  }
  return new HttpError(Code.InvalidArgument, "the request does not match the contract", {
    violations: [...unique.values()],
  });
}

function shortened(text: string): string {
  return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength - 1)}…`;
}

/** The one 401: it looks the same for a missing, a malformed, an unknown and a revoked token (RFC 6750 §3). */
export function unauthenticated(): HttpError {
  return new HttpError(Code.Unauthenticated, unauthenticatedMessage, { headers: unauthenticatedHeaders });
}

export const unauthenticatedMessage = "a valid bearer token is required";
export const unauthenticatedHeaders = { "WWW-Authenticate": "Bearer" } as const;

/** 500 for a broken promise of something behind the gateway; `cause` is logged, never sent. */
export function internalError(cause: unknown): HttpError {
  return new HttpError(Code.Internal, internalMessage, { cause });
}

/** 503 for something behind the gateway that cannot be reached; `cause` is logged, never sent. */
export function unavailable(cause: unknown): HttpError {
  return new HttpError(Code.Unavailable, internalMessage, { cause });
}

/** All that a client learns of a failure behind the gateway. */
export const internalMessage = "internal server error";
