import type { Authenticator } from "../auth/authenticator.ts";
import type { KeyUse } from "../auth/api-key-cache.ts";
import type { Middleware } from "../http/stages.ts";

/**
 * Finds the caller. Throws 401, and 503 when the API key cannot be looked up and no cached status is good enough for
 * `use`. Runs before the body is read, and stops waiting when the client disconnects.
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
    try {
      res.locals.caller = await authenticator.authenticate(
        req.get("authorization"),
        trace,
        use,
        createDisconnectSignal,
      );
    } finally {
      stopListening?.();
    }
    next();
  };
}
