import type { MatchedLocals, Middleware, TracedLocals } from "../http/stages.ts";
import { traceContextFrom } from "../telemetry/trace-context.ts";

/** Continues the trace of a `traceparent`, or starts one. */
export const trace: Middleware<MatchedLocals, TracedLocals> = function trace(req, res, next) {
  res.locals.trace = traceContextFrom(req.get("traceparent"), req.get("tracestate"));
  next();
};
