import type { Operation } from "../contract.ts";
import type { Middleware } from "../locals.ts";

/** Notes which operation a request is for, and whether it may be repeated without doing its work twice. */
export function route(operation: Operation): Middleware {
  const { template, method, parameters } = operation;
  const takesKey = parameters.some(({ name }) => name === "Idempotency-Key");
  return function route(req, res, next) {
    res.locals.route = template;
    res.locals.safeToRepeat = method !== "post" || (takesKey && req.get("Idempotency-Key") !== undefined);
    next();
  };
}
