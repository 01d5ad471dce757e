import type { Authenticator } from "../auth/authenticator.ts";
import type { KeyUse } from "../auth/api-key-cache.ts";
import type { Caller } from "../auth/caller.ts";
import { unauthenticated } from "../errors/http-error.ts";
import type { Middleware } from "../http/stages.ts";

/**
 * Finds the caller. Responds 401 without one, and 503 when the API key cannot be looked up and no cached status is good
 * enough for `use`. Runs before the body is read, and stops waiting when the client disconnects.
 */
export function authentication(authenticator: Authenticator, use: KeyUse): Middleware {
  return async function authentication(req, res, next) {
    const { trace } = res.locals;
    // Every response from here on is for this caller only. A response with an ETag overwrites this (RFC 9111 §5.2.2.5).
    res.setHeader("Cache-Control", "no-store");
    let stopListening: (() => void) | undefined;
    function createDisconnectSignal(): AbortSignal {
      const controller = new AbortController();
      const abort = () => controller.abort();
      if (res.destroyed) abort();
      res.once("close", abort);
      stopListening = () => res.off("close", abort);
      return controller.signal;
    }
    let caller: Caller | undefined;
    try {
      caller = await authenticator.authenticate(
        req.headers.authorization,
        trace,
        use,
        createDisconnectSignal,
      );
    } finally {
      stopListening?.();
    }
    // Not thrown, which would cost more than the rest of this stage.
    if (caller === undefined) return next(unauthenticated());
    res.locals.caller = caller;
    next();
  };
}
