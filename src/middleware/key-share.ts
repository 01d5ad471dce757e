import type { ServerResponse } from "node:http";
import { keyHashOf } from "../auth/caller.ts";
import type { AuthenticatedLocals, Middleware } from "../http/stages.ts";

/**
 * Throws 429 when the caller's key already holds its share of the requests in flight. Runs directly after
 * authentication, because a later rejection would cost more.
 */
export function keyShare(
  acquireShare: (res: ServerResponse, keyHash: string | undefined) => void,
): Middleware<Pick<AuthenticatedLocals, "caller">> {
  return function keyShare(_req, res, next) {
    acquireShare(res, keyHashOf(res.locals.caller));
    next();
  };
}
