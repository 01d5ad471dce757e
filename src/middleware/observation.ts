import onHeaders from "on-headers";
import { finalErrorCode, finalStatus } from "../http/final-status.ts";
import { requesterOf } from "../http/requester.ts";
import type { Middleware, TracedLocals } from "../http/stages.ts";
import type { Logger } from "../telemetry/logger.ts";
import { unmatched } from "../telemetry/metrics.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Logged and counted for a client that disconnected before its response; never sent. */
const clientClosedRequest = 499;

/** The maximum length of a logged `User-Agent`, in characters. */
const maxUserAgentLength = 256;

/** How long a request has waited because of its `Prefer: wait`, in milliseconds. */
function waitedMs({ wait }: TracedLocals): number {
  return wait === undefined ? 0 : (wait.end ?? performance.now()) - wait.start;
}

/**
 * Counts each request when the headers of its response are sent; logs it at its end. The counted duration ends at the
 * headers and excludes the wait of `Prefer: wait`. The metrics have only the path's template, since paths contain ids;
 * the log also has the id of a workflow, once it is valid and its caller is known, and nothing else of a path: it may be
 * a token.
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
      logger.info(
        {
          event: "request.completed",
          ...requesterOf(res.locals),
          user_agent: req.headers["user-agent"]?.slice(0, maxUserAgentLength),
          method: req.method,
          path: path(),
          workflow_id: res.locals.workflowId,
          status,
          code: finalErrorCode(res, res.locals.errorCode),
          complete: res.writableFinished,
          duration_ms: Math.round(elapsedSeconds() * 1e6) / 1000,
          waited_ms: res.locals.wait === undefined ? undefined : Math.round(waitedMs(res.locals)),
          bytes_in: req.bodyBytes ?? 0,
          bytes_out: req.method === "HEAD" ? 0 : res.bodyBytes,
        },
        "request.completed",
      );
    });
    next();
  };
}
