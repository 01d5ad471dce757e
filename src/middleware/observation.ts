import onHeaders from "on-headers";
import { principalOf } from "../auth/caller.ts";
import { finalStatus } from "../http/final-status.ts";
import type { Middleware, TracedLocals } from "../http/stages.ts";
import type { Logger } from "../telemetry/logger.ts";
import { unmatched } from "../telemetry/metrics.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { traceFields } from "../telemetry/trace-context.ts";

/** Logged and counted for a client that disconnected before its response; never sent. */
const clientClosedRequest = 499;

/** How long a request has waited because of its `Prefer: wait`, in milliseconds. */
function waitedMs({ wait }: TracedLocals): number {
  return wait === undefined ? 0 : (wait.end ?? performance.now()) - wait.start;
}

/**
 * Counts each request when the headers of its response are sent; logs it at its end. The counted duration ends at the
 * headers and excludes the wait of `Prefer: wait`. Metrics and log have only the path's template, since paths contain ids.
 */
export function observation(metrics: Metrics, logger: Logger): Middleware {
  return function observation(req, res, next) {
    const start = performance.now();
    const elapsedSeconds = () => (performance.now() - start) / 1000;
    const path = () => res.locals.route ?? unmatched;
    let isCounted = false;

    function count(status: number) {
      isCounted = true;
      metrics.observeRequest(req.method, path(), status, elapsedSeconds() - waitedMs(res.locals) / 1000);
    }

    onHeaders(res, function countResponse() {
      if (!isCounted) count(res.statusCode);
    });
    res.on("close", function logRequest() {
      const status = finalStatus(res) ?? clientClosedRequest;
      if (!isCounted) count(status);
      const { trace, caller, client } = res.locals;
      logger.info(
        {
          event: "request.completed",
          ...traceFields(trace),
          method: req.method,
          path: path(),
          status,
          complete: res.writableFinished,
          duration_ms: Math.round(elapsedSeconds() * 1e6) / 1000,
          waited_ms: res.locals.wait === undefined ? undefined : Math.round(waitedMs(res.locals)),
          client_address: client.address,
          principal: caller === undefined ? undefined : principalOf(caller),
        },
        "request.completed",
      );
    });
    next();
  };
}
