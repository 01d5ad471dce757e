import type { RequestHandler } from "express";
import type { Locals } from "../locals.ts";
import { traceContextFrom } from "../telemetry/trace-context.ts";

/** Gives each request its trace. */
export const trace: RequestHandler<object, unknown, unknown, object, Locals> = function trace(
  req,
  res,
  next,
) {
  res.locals.trace = traceContextFrom(req.get("traceparent"), req.get("tracestate"));
  next();
};
