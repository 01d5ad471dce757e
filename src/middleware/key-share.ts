import type { ServerResponse } from "node:http";
import { keyHashOf } from "../auth/caller.ts";
import type { AuthenticatedLocals, Middleware } from "../http/stages.ts";

/**
 * Acquires one of the caller's share of the requests in flight, or answers 429. It follows authentication at once:
 * before, nobody knows whose share it is; later, a request that is turned away would cost more.
 */
export function keyShare(
  acquireShare: (res: ServerResponse, keyHash: string | undefined) => void,
): Middleware<Pick<AuthenticatedLocals, "caller">> {
  return function keyShare(_req, res, next) {
    acquireShare(res, keyHashOf(res.locals.caller));
    next();
  };
}
