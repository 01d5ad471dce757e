import { Code } from "@connectrpc/connect";
import type { components } from "../../generated/openapi/gateway.v1.ts";

/** One reason why a request is invalid: where (JSON pointer) and what to change. */
export type Violation = Readonly<components["schemas"]["Violation"]>;

/** What an error may have besides its code and message. */
interface HttpErrorOptions {
  /** Overrides the status of the code, for statuses that only HTTP has, such as 405. */
  readonly status?: number;
  /** Replaces the name of the code in the body, where that is more exact than any gRPC code. */
  readonly reason?: "INSUFFICIENT_CREDITS";
  readonly violations?: readonly Violation[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error that the gateway raises itself. The client gets its message unchanged; its cause is only logged. */
export class HttpError extends Error {
  readonly code: Code;
  readonly status: number | undefined;
  readonly reason: HttpErrorOptions["reason"];
  readonly violations: readonly Violation[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: Code, message: string, options: HttpErrorOptions = {}) {
    // The message states what the client did wrong, and the cause what failed behind the gateway. A stack trace would
    // add nothing, and is expensive to capture.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "HttpError";
    this.code = code;
    this.status = options.status;
    this.reason = options.reason;
    this.violations = options.violations ?? [];
    this.headers = options.headers ?? {};
  }
}

/** The maximum number of violations in one response, as in the contract. */
export const maxViolations = 100;

/** The maximum length of a path and of a message. */
const maxTextLength = 4096;

/** The maximum length of a path and of a message within the message of an error. */
const maxSummaryTextLength = 256;

/** 400 with each distinct violation, up to `maxViolations`. Its message has the first one and the number of the others. */
export function invalidRequest(violations: readonly Violation[]): HttpError {
  const unique = new Map<string, Violation>();
  for (const { path, message } of violations) {
    const violation = { path: truncated(path, maxTextLength), message: truncated(message, maxTextLength) };
    unique.set(`${violation.path} ${violation.message}`, violation);
    if (unique.size === maxViolations) break;
  }
  const listed = [...unique.values()];
  return new HttpError(Code.InvalidArgument, summaryOf(listed), { violations: listed });
}

/** A sentence whose subject is the path of the first violation. */
function summaryOf([first, ...others]: readonly Violation[]): string {
  if (first === undefined) return "the request does not match the contract";
  const { length } = others;
  // There may be more than a response lists.
  const atLeast = length === maxViolations - 1 ? "at least " : "";
  return [
    truncated(first.path, maxSummaryTextLength),
    truncated(first.message, maxSummaryTextLength),
    ...(length === 0 ? [] : [`(and ${atLeast}${length} more)`]),
  ].join(" ");
}

/** Well-formed even where the client's text is not, or is cut within a character: some JSON parsers demand that. */
function truncated(text: string, maxLength: number): string {
  const short = text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
  return short.toWellFormed();
}

/** 401, identical for a missing, a malformed, an unknown and a revoked token (RFC 6750 §3), so that it reveals nothing. */
export function unauthenticated(): HttpError {
  return new HttpError(Code.Unauthenticated, unauthenticatedMessage, { headers: unauthenticatedHeaders });
}

export const unauthenticatedMessage =
  "a valid bearer token is required: send the header Authorization: Bearer <token>";
export const unauthenticatedHeaders = { "WWW-Authenticate": "Bearer" } as const;

/** 500 for an invalid response from a service behind the gateway. `cause` is logged, never sent. */
export function internalError(cause: unknown): HttpError {
  return new HttpError(Code.Internal, internalMessage, { cause });
}

/** 503 for a service behind the gateway that cannot be reached. `cause` is logged, never sent. */
export function unavailable(cause: unknown): HttpError {
  return new HttpError(Code.Unavailable, internalMessage, { cause });
}

/** The only message that a client gets for a failure behind the gateway. */
export const internalMessage = "internal server error";
