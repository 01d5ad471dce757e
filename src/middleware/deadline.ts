import { keyHashOf, principalOf } from "../auth/caller.ts";
import type { AuthenticatedLocals, Middleware } from "../http/stages.ts";
import { readingContext } from "../grpc/transport.ts";
import { outgoingMetadata } from "../orchestrator/metadata.ts";

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
    const headers = outgoingMetadata(trace, principalOf(caller));
    const contextValues = readingContext({ owner: keyHashOf(caller) });
    res.locals.call = { signal: controller.signal, timeoutMs, headers, contextValues };
    next();
  };
}
