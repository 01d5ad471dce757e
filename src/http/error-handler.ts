import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorMiddleware } from "./locals.ts";
import { abortResponse } from "./abort-response.ts";
import { errorResponse } from "../errors/error-response.ts";
import { invalidRequest } from "../errors/http-error.ts";
import { sendJsonText } from "./json-response.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceFields } from "../telemetry/trace-context.ts";

/** What serves when even the error's body cannot be written. */
const lastResort = '{"code":"INTERNAL","message":"internal server error","retryable":false}';

/**
 * The one exit of every error. Once the headers are out, only a broken connection can still tell the client
 * that something failed.
 */
export function errors(logger: Logger): ErrorMiddleware {
  return function errors(error: unknown, _req, res, _next) {
    const { trace, safeToRepeat = false } = res.locals;
    const log = (err: unknown, more: object = {}) =>
      logger.error({ event: "http.error", ...traceFields(trace), err, ...more }, "http.error");
    if (res.destroyed && isAbandonment(error)) return;
    const answer = errorResponse(isMalformedPath(error) ? invalidRequest([malformedPath]) : error, {
      safeToRepeat,
      traceId: trace.traceId,
    });
    if (answer.status >= 500 || res.headersSent) log(error, { status: answer.status });
    if (res.headersSent) {
      res.locals.isBrokenOff = true;
      return abortResponse(res);
    }
    // It is no representation of what the handler may have begun to send.
    res.removeHeader("ETag");
    res.status(answer.status).set({ "Cache-Control": "no-store", ...answer.headers });
    try {
      sendJsonText(res, JSON.stringify(answer.body));
    } catch (failure) {
      log(failure);
      sendJsonText(res.status(500), lastResort);
    }
  };
}

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

const malformedPath = { path: "/params", message: "must be percent-encoded UTF-8" };

/** Express reports an undecodable path as a URIError with a status. */
function isMalformedPath(error: unknown): boolean {
  return error instanceof URIError && "status" in error && error.status === 400;
}
