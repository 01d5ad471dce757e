import { keyHashOf, principalOf } from "../auth/caller.ts";
import type { AuthenticatedLocals, Middleware } from "../http/stages.ts";
import { callOptions } from "../orchestrator/call-options.ts";

/**
 * Prepares the gRPC calls of a request: each bounded by `timeoutMs`, all of them cancelled as soon as the
 * client goes away, and scoped to the caller.
 */
export function deadline(
  timeoutMs: number,
): Middleware<Omit<AuthenticatedLocals, "call">, AuthenticatedLocals> {
  return function deadline(_req, res, next) {
    const controller = new AbortController();
    // The *request* closes once its body is read; only the response's "close" tells that the client has gone.
    res.once("close", function cancelCalls() {
      // After a complete answer there is nothing to cancel, and aborting is not cheap.
      if (!res.writableFinished) controller.abort();
    });
    if (res.destroyed) controller.abort();
    const { trace, caller } = res.locals;
    res.locals.call = callOptions(
      { trace, principal: principalOf(caller), keyHash: keyHashOf(caller) },
      { signal: controller.signal, timeoutMs },
    );
    next();
  };
}
