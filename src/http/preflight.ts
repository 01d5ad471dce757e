import type { Path } from "../contract.ts";
import type { Middleware } from "./locals.ts";

/**
 * Answers a browser that asks whether a page may send a request of `path` (Fetch §4.8): 204, without authentication,
 * since it cannot send a token with that question. What the page may do is said before.
 */
export function preflight({ template }: Path): Middleware {
  return function preflight(req, res, next) {
    if (req.get("Access-Control-Request-Method") === undefined) return next();
    res.locals.route = template;
    res.status(204).end();
  };
}
