import type { ServerResponse } from "node:http";
import { errorResponse } from "../errors/error-response.ts";
import { HttpError } from "../errors/http-error.ts";

/**
 * The status of a request that is over, also where its connection was refused and the answer was not `res`; undefined
 * where the client left before there was one.
 */
export function finalStatus(res: ServerResponse): number | undefined {
  if (res.headersSent) return res.statusCode;
  return res.errored instanceof HttpError
    ? errorResponse(res.errored, { safeToRepeat: false }).status
    : undefined;
}
