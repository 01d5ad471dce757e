import type { Authenticator } from "../auth/authenticator.ts";
import type { KeyUse } from "../auth/api-key-cache.ts";
import type { Middleware } from "../http/stages.ts";

/**
 * Lets only callers pass that are known well enough for this `use`. It runs before the body is read, and waits for
 * nobody whose client has gone.
 */
export function authentication(authenticator: Authenticator, use: KeyUse): Middleware {
  return async function authentication(req, res, next) {
    const { trace } = res.locals;
    // Whatever comes of it is for this caller; a response that has a validator says more (RFC 9111 §5.2.2.5).
    res.setHeader("Cache-Control", "no-store");
    let stopListening: (() => void) | undefined;
    function leaving(): AbortSignal {
      const controller = new AbortController();
      const leave = () => controller.abort();
      if (res.destroyed) leave();
      res.once("close", leave);
      stopListening = () => res.off("close", leave);
      return controller.signal;
    }
    try {
      res.locals.caller = await authenticator.authenticate(req.get("authorization"), trace, use, leaving);
    } finally {
      stopListening?.();
    }
    next();
  };
}
