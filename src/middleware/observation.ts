import onHeaders from "on-headers";
import { principalOf } from "../auth/caller.ts";
import { finalStatus } from "../http/final-status.ts";
import type { Middleware, TracedLocals } from "../http/stages.ts";
import type { Logger } from "../telemetry/logger.ts";
import { unmatched } from "../telemetry/metrics.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { traceFields } from "../telemetry/trace-context.ts";

/** The status that is counted for a client that left before its answer; it is never sent. */
const clientGone = 499;

/** For how long a request has waited because its client wanted that, in milliseconds. */
function waitedMs({ wait }: TracedLocals): number {
  return wait === undefined ? 0 : (wait.end ?? performance.now()) - wait.start;
}

/**
 * Counts each request when its answer's head is sent, so that hours of streaming do not count as latency, nor do
 * waits that were asked for, and logs it when it is over. Neither knows more of the path than the route's template.
 */
export function observation(metrics: Metrics, logger: Logger): Middleware {
  return function observation(req, res, next) {
    const start = performance.now();
    const secondsSoFar = () => (performance.now() - start) / 1000;
    const path = () => res.locals.route ?? unmatched;
    let counted = false;

    function count(status: number) {
      counted = true;
      metrics.observeRequest(req.method, path(), status, secondsSoFar() - waitedMs(res.locals) / 1000);
    }

    onHeaders(res, function countAnswer() {
      if (!counted) count(res.statusCode);
    });
    res.once("close", function logRequest() {
      const status = finalStatus(res) ?? clientGone;
      if (!counted) count(status);
      const { trace, caller } = res.locals;
      logger.info(
        {
          event: "request.completed",
          ...traceFields(trace),
          method: req.method,
          path: path(),
          status,
          complete: res.writableFinished,
          duration_ms: Math.round(secondsSoFar() * 1e6) / 1000,
          waited_ms: res.locals.wait === undefined ? undefined : Math.round(waitedMs(res.locals)),
          principal: caller === undefined ? undefined : principalOf(caller),
        },
        "request.completed",
      );
    });
    next();
  };
}
