import type { ServerResponse } from "node:http";
import { keyHashOf } from "../auth/caller.ts";
import type { AuthenticatedLocals, Middleware } from "../http/stages.ts";

/**
 * Responds 429 when the caller's key holds its share of the requests in flight. It follows authentication, which finds the
 * key, at once: later, a rejection would cost more.
 */
export function keyShare(
  acquireShare: (res: ServerResponse, keyHash: string | undefined) => void,
): Middleware<Pick<AuthenticatedLocals, "caller">> {
  return function keyShare(_req, res, next) {
    acquireShare(res, keyHashOf(res.locals.caller));
    next();
  };
}
