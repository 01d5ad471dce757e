import type { Authenticator } from "../auth/authenticator.ts";
import type { Middleware } from "../locals.ts";

/** Lets only known callers pass. It runs before the body is read. */
export function authentication(authenticator: Authenticator): Middleware {
  return async function authentication(req, res, next) {
    res.locals.caller = await authenticator.authenticate(req.get("authorization"), res.locals.trace);
    next();
  };
}
