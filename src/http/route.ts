import type { Operation } from "../contract.ts";
import type { Middleware } from "./locals.ts";

/**
 * Notes which operation a request is for, whether it may be repeated without doing its work twice, and whether its
 * answer depends on what the client has.
 */
export function route(operation: Operation): Middleware {
  const { template, method, isSafe, isConditional, parameters } = operation;
  const takesKey = parameters.some(({ name }) => name === "Idempotency-Key");
  return function route(req, res, next) {
    res.locals.route = template;
    res.locals.safeToRepeat =
      isSafe || method === "delete" || (takesKey && req.get("Idempotency-Key") !== undefined);
    res.locals.isConditional = isConditional;
    next();
  };
}
