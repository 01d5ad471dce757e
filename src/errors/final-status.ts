import type { ServerResponse } from "node:http";
import { errorAnswer } from "./error-answer.ts";
import { Refusal } from "./refusal.ts";

/**
 * The status of a request that is over, also where its connection was refused and the answer was not `res`; undefined
 * where the client left before there was one.
 */
export function finalStatus(res: ServerResponse): number | undefined {
  if (res.headersSent) return res.statusCode;
  return res.errored instanceof Refusal
    ? errorAnswer(res.errored, { safeToRepeat: false }).status
    : undefined;
}
