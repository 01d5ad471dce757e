import type { Operation } from "../contract.ts";
import { invalidRequest } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import type { BodyLocals, Middleware } from "../http/stages.ts";
import type { KnownParams } from "../validation/param-warnings.ts";
import { parseQuery } from "../validation/query.ts";
import type { RequestParts, RequestValidator } from "../validation/request-validator.ts";
import { formViolations, requestWarnings, ruleViolations } from "../validation/rules.ts";

/**
 * Responds 400 with all violations of the contract: of the schemas, of the query string's syntax, and of the rules that a
 * schema cannot express. Otherwise `req.query` has the types of the contract, tool params have its forms, and
 * `res.locals.warnings` has what is probably wrong with them.
 */
export function validation(
  operation: Operation,
  validate: RequestValidator,
  params: KnownParams,
): Middleware<BodyLocals> {
  return function validation(req, res, next) {
    // A request target has no fragment (RFC 9112 §3.2).
    if (req.originalUrl.includes("#")) return next(invalidRequest([fragment]));
    const { values, violations: syntax } = parseQuery(operation, req.originalUrl);
    const parts: RequestParts = {
      query: values,
      headers: req.headers,
      params: res.locals.match?.params ?? {},
      body: req.body,
    };
    const forms = formViolations(operation.id, parts);
    const schema = validate(parts);
    const rules = ruleViolations(operation.id, parts);
    if (schema.length + syntax.length + forms.length + rules.length > 0) {
      // What has the wrong syntax or form violates its schema, too.
      const repeated = [...syntax, ...forms];
      const isRepetition = ({ path }: Violation) =>
        repeated.some((violation) => isWithin(path, violation.path));
      const own = [...schema.filter((violation) => !isRepetition(violation)), ...forms];
      // Not thrown, which would cost more than the validation.
      return next(invalidRequest([...own, ...syntax, ...rules]));
    }
    const id = res.locals.match?.params?.["id"];
    if (id !== undefined) res.locals.workflowId = id;
    const warnings = requestWarnings(operation.id, parts, params);
    if (warnings.length > 0) res.locals.warnings = warnings;
    // Express's own `query` parses the string at each use.
    Object.defineProperty(req, "query", { value: values });
    next();
  };
}

const fragment: Violation = { path: "/params", message: "must not contain a fragment" };

/** Whether a JSON pointer is `other` or below it. */
function isWithin(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}/`);
}
