import type { Authenticator } from "../auth/authenticator.ts";
import type { KeyUse } from "../auth/key-directory.ts";
import type { Middleware } from "../locals.ts";

/** Lets only callers pass that are known well enough for this `use`. It runs before the body is read. */
export function authentication(authenticator: Authenticator, use: KeyUse): Middleware {
  return async function authentication(req, res, next) {
    res.locals.caller = await authenticator.authenticate(req.get("authorization"), res.locals.trace, use);
    next();
  };
}
