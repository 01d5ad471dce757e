import type { Middleware } from "../http/locals.ts";
import { traceContextFrom } from "../telemetry/trace-context.ts";

/** Gives each request its trace. */
export const trace: Middleware = function trace(req, res, next) {
  res.locals.trace = traceContextFrom(req.get("traceparent"), req.get("tracestate"));
  next();
};
