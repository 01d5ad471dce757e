import type { RequestHandler } from "express";
import type { Operation } from "../contract.ts";
import type { Locals } from "../locals.ts";

/** Notes which operation a request is for. */
export function route({
  template,
  method,
}: Operation): RequestHandler<object, unknown, unknown, object, Locals> {
  return function route(req, res, next) {
    res.locals.route = template;
    // A submission is made safe by its key; a retry is not safe at all.
    res.locals.safeToRepeat = method !== "post" || req.get("Idempotency-Key") !== undefined;
    next();
  };
}
