import type { Operation } from "../contract.ts";
import { invalidRequest } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import type { Middleware } from "../http/stages.ts";
import { parseQuery } from "../validation/query.ts";
import type { RequestParts, RequestValidator } from "../validation/request-validator.ts";
import { ruleViolations } from "../validation/rules.ts";

/**
 * Refuses a request that the contract does not allow, with every fault at once: the schema's, those of the query
 * string's spelling, and what a schema cannot say. Leaves `params` decoded and `query` in the types of the
 * contract.
 */
export function validation(operation: Operation, validate: RequestValidator): Middleware {
  return function validation(req, res, next) {
    // A request target has no fragment (RFC 9112 §3.2), so nobody can have meant what follows the `#`.
    if (req.originalUrl.includes("#")) return next(invalidRequest([fragment]));
    const { values, violations: spelling } = parseQuery(operation, req.originalUrl);
    const { params = {} } = res.locals.match ?? {};
    const parts: RequestParts = { query: values, headers: req.headers, params, body: req.body };
    const schema = validate(parts);
    const rules = ruleViolations(operation.id, parts);
    if (schema.length + spelling.length + rules.length > 0) {
      // What is wrong with a parameter's spelling makes the schema's word on it an echo.
      const isEcho = ({ path }: Violation) => spelling.some((fault) => isWithin(path, fault.path));
      const own = schema.filter((violation) => !isEcho(violation));
      // Passed on and not thrown, which would cost more than the check.
      return next(invalidRequest([...own, ...spelling, ...rules]));
    }
    // Express's own `query` reads the string once more at each use.
    Object.defineProperty(req, "query", { value: values });
    next();
  };
}

const fragment: Violation = { path: "/params", message: "must be in its plain form, without a fragment" };

/** Whether a JSON pointer is another one, or points below it. */
function isWithin(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}/`);
}
