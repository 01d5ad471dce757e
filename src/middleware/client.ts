import type { FindClient } from "../http/client.ts";
import type { ClientLocals, MatchedLocals, Middleware } from "../http/stages.ts";

/** Finds out where each request comes from, for the log and the spans. */
export function client(findClient: FindClient): Middleware<MatchedLocals, ClientLocals> {
  return function client(req, res, next) {
    res.locals.client = findClient(req);
    next();
  };
}
