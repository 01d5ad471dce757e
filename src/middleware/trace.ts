import type { RequestHandler } from "express";
import type { Locals } from "../locals.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceContextFrom } from "../telemetry/trace-context.ts";

/** Gives each request its trace, and a logger that carries the trace id. */
export function trace(logger: Logger): RequestHandler<object, unknown, unknown, object, Locals> {
  return function trace(req, res, next) {
    res.locals.trace = traceContextFrom(req.get("traceparent"), req.get("tracestate"));
    res.locals.log = logger.child({ trace_id: res.locals.trace.traceId });
    next();
  };
}
