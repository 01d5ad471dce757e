import type { Authenticator } from "../auth/authenticator.ts";
import type { KeyUse } from "../auth/key-directory.ts";
import type { Middleware } from "../locals.ts";

/**
 * Lets only callers pass that are known well enough for this `use`. It runs before the body is read, and waits for
 * nobody whose client has gone.
 */
export function authentication(authenticator: Authenticator, use: KeyUse): Middleware {
  return async function authentication(req, res, next) {
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    if (res.destroyed) leave();
    res.once("close", leave);
    const { trace } = res.locals;
    try {
      const { signal } = leaving;
      res.locals.caller = await authenticator.authenticate(req.get("authorization"), trace, use, signal);
    } finally {
      res.off("close", leave);
    }
    next();
  };
}
