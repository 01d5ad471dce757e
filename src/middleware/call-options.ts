import { keyHashOf, principalOf } from "../auth/caller.ts";
import type { AuthenticatedLocals, Middleware, TracedLocals } from "../http/stages.ts";
import { createCallOptions } from "../orchestrator/call-options.ts";

/** Adds the options of the request's gRPC calls: deadline, cancellation when the client disconnects, and principal. */
export function callOptions(timeoutMs: number): Middleware<TracedLocals, AuthenticatedLocals> {
  return function callOptions(_req, res, next) {
    const controller = new AbortController();
    // The `close` of the *request* follows its body; only that of the response shows that the client has disconnected.
    res.on("close", function cancelCalls() {
      // After a complete response there is nothing to cancel, and an abort costs time.
      if (!res.writableFinished) controller.abort();
    });
    if (res.destroyed) controller.abort();
    const { trace, caller } = res.locals;
    res.locals.callOptions = createCallOptions(
      { trace, principal: caller && principalOf(caller), keyHash: caller && keyHashOf(caller) },
      { signal: controller.signal, timeoutMs },
    );
    next();
  };
}
