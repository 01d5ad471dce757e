import type { ServerResponse } from "node:http";
import { codeMeaning } from "../errors/codes.ts";
import { errorResponse } from "../errors/error-response.ts";
import { HttpError } from "../errors/http-error.ts";

/**
 * The status of a finished request: the status that `res` sent, or that of the malformed body that ended the request,
 * which `res` did not send. Undefined when the client disconnected before the response.
 */
export function finalStatus(res: ServerResponse): number | undefined {
  if (res.headersSent) return res.statusCode;
  return res.errored instanceof HttpError
    ? errorResponse(res.errored, { isIdempotent: false }).status
    : undefined;
}

/**
 * The `code` of the error body that ended a finished request: `sent`, or that of the malformed body, which `res` did not
 * send.
 */
export function finalErrorCode(res: ServerResponse, sent: string | undefined): string | undefined {
  if (res.headersSent) return sent;
  return res.errored instanceof HttpError ? codeMeaning(res.errored.code).name : undefined;
}
