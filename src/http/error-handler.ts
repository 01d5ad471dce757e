import type { IncomingMessage } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorResponse } from "../errors/error-response.ts";
import { HttpError } from "../errors/http-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import { abortResponse } from "./abort-response.ts";
import { sendJsonBytes } from "./json-response.ts";
import type { RouteMatch } from "./router.ts";
import type { ErrorMiddleware } from "./stages.ts";

/** The body of a response when that of the error cannot be written as JSON. */
const lastResort = '{"code":"INTERNAL","message":"internal server error","retryable":false}';

/**
 * Responds to every error that a stage of Express or a handler throws or passes to `next`. After the headers are sent, only an
 * aborted connection can show the client that something failed.
 */
export function errorHandler(logger: Logger): ErrorMiddleware {
  return function errorHandler(error: unknown, req, res, _next) {
    const { trace, match } = res.locals;
    const log = (err: unknown, more: object = {}) =>
      logger.error({ event: "request.failed", ...traceFields(trace), err, ...more }, "request.failed");
    if (res.destroyed && isCausedByDisconnect(error)) return;
    const { status, headers, body } = errorResponse(error, {
      isIdempotent: isIdempotentRequest(req, match),
      traceId: trace.traceId,
    });
    if ((status >= 500 && isFailure(error)) || res.headersSent) log(error, { status });
    if (res.headersSent) {
      res.locals.isAborted = true;
      return abortResponse(res);
    }
    // An ETag that the handler has set is not the error's.
    res.removeHeader("ETag");
    res.status(status).set({ "Cache-Control": "no-store", ...headers });
    let text = lastResort;
    try {
      text = JSON.stringify(body);
      res.locals.errorCode = body.code;
    } catch (failure) {
      log(failure);
      res.status(500);
      res.locals.errorCode = "INTERNAL";
    }
    return sendJsonBytes(res, [Buffer.from(text)]);
  };
}

/** Whether something has failed. An `HttpError` without a cause is a state that its message tells, such as a limit. */
function isFailure(error: unknown): boolean {
  return !(error instanceof HttpError) || error.cause !== undefined;
}

/** Whether the client can repeat the request without doing the work twice. */
function isIdempotentRequest({ headers }: IncomingMessage, match: RouteMatch | undefined): boolean {
  const operation = match?.operation;
  if (operation === undefined) return false;
  const takesKey = operation.parameters.some(({ name }) => name === "Idempotency-Key");
  return (
    operation.isSafe ||
    operation.method === "delete" ||
    (takesKey && headers["idempotency-key"] !== undefined)
  );
}

/** Whether the only reason for an error is that the client disconnected, which cancelled the work for it. */
function isCausedByDisconnect(error: unknown): boolean {
  if (error instanceof ConnectError) return error.code === Code.Canceled;
  if (!(error instanceof Error)) return false;
  return (
    error.name === "AbortError" ||
    ("code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") ||
    isCausedByDisconnect(error.cause)
  );
}
