import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorRequestHandler, Request } from "express";
import type { Locals } from "../locals.ts";
import { errorAnswer } from "../errors/error-answer.ts";
import { invalidRequest } from "../errors/refusal.ts";

/** What serves when even the error's body cannot be written. */
const lastResort = '{"code":"INTERNAL","message":"internal server error","retryable":false}';

/**
 * The one exit of every error. Once the headers are out, only a broken connection can still tell the client
 * that something failed.
 */
export const errors: ErrorRequestHandler<object, unknown, unknown, object, Locals> = function errors(
  error: unknown,
  req,
  res,
  _next,
) {
  const { log, trace, safeToRepeat = false } = res.locals;
  if (res.destroyed && isAbandonment(error)) return;
  const answer = errorAnswer(isMalformedPath(error) ? invalidRequest([malformedPath]) : error, {
    safeToRepeat,
    traceId: trace.traceId,
  });
  if (answer.status >= 500 || res.headersSent)
    log.error({ event: "http.error", err: error, status: answer.status }, "http.error");
  if (res.headersSent) {
    res.destroy();
    return;
  }
  res.status(answer.status).set(answer.headers);
  // What is left of a body nobody will read would be taken for the next request.
  if (hasBody(req) && !req.complete) res.set("Connection", "close");
  try {
    res.type("json").send(JSON.stringify(answer.body));
  } catch (failure) {
    log.error({ event: "http.error", err: failure }, "http.error");
    res.status(500).type("json").send(lastResort);
  }
};

/** Whether an error only says that the client has gone, and with it the work that was done for it. */
function isAbandonment(error: unknown): boolean {
  if (error instanceof ConnectError) return error.code === Code.Canceled;
  if (!(error instanceof Error)) return false;
  return (
    error.name === "AbortError" ||
    ("code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") ||
    isAbandonment(error.cause)
  );
}

function hasBody({ headers }: Pick<Request, "headers">): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

const malformedPath = { path: "/params", message: "must be percent-encoded UTF-8" };

/** Express reports an undecodable path as a URIError with a status. */
function isMalformedPath(error: unknown): boolean {
  return error instanceof URIError && "status" in error && error.status === 400;
}
