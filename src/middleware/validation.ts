import * as OpenApiValidator from "express-openapi-validator";
import type { ErrorRequestHandler, Express, Request, RequestHandler } from "express";
import type { OpenApiDocument, Operation } from "../contract.ts";
import { invalidRequest, maxFaults } from "../errors/refusal.ts";
import type { Fault } from "../errors/refusal.ts";
import { patternMessages } from "../validation/pattern-messages.ts";
import { queryFaults } from "../validation/query-faults.ts";
import { ruleFaults } from "../validation/rules.ts";
import { createValidator } from "../validation/validator.ts";
import type { ValidatorOptions } from "../validation/validator.ts";

/**
 * Refuses a request that the contract does not allow, with every fault at once: the schema's, those of the query
 * string's spelling, and what a schema cannot say. Rejects when the contract does not compile.
 */
export async function validation(
  app: Express,
  document: OpenApiDocument,
  operation: Operation,
  options: ValidatorOptions,
) {
  const validator = await createValidator(app, document, operation, options);
  const saysPattern = patternMessages(document);

  function furtherFaults(req: Request): Fault[] {
    const faults = Iterator.from(ruleFaults(operation.id, req)).take(maxFaults);
    return [...queryFaults(operation, req.originalUrl), ...faults];
  }

  const checkRules: RequestHandler = function checkRules(req, _res, next) {
    const faults = "openapi" in req ? furtherFaults(req) : [unmatched];
    next(faults.length > 0 ? invalidRequest(faults) : undefined);
  };

  const collectFaults: ErrorRequestHandler = function collectFaults(error: unknown, req, _res, next) {
    if (error instanceof OpenApiValidator.error.NotFound) return next(invalidRequest([unmatched]));
    const faults = schemaFaults(error, saysPattern);
    if (faults === undefined) return next(error);
    const further = furtherFaults(req);
    // What is wrong with a parameter's spelling makes the schema's word on it an echo.
    const isEcho = ({ path }: Fault) =>
      further.some((fault) => fault.path.startsWith("/query") && isWithin(path, fault.path));
    next(invalidRequest([...faults.filter((fault) => !isEcho(fault)), ...further]));
  };

  return [...validator, checkRules, collectFaults];
}

/** The validator matches the path again, by itself: what it makes no match of it does not check. */
const unmatched: Fault = { path: "/params", message: "must be in its plain form" };

/** Keywords that only say that another fault is there. */
const echoes = ["propertyNames", "if"];

function schemaFaults(error: unknown, saysPattern: ReadonlyMap<string, string>): Fault[] | undefined {
  if (!(error instanceof OpenApiValidator.error.BadRequest)) return undefined;
  return error.errors
    .filter(({ errorCode }) => !echoes.some((keyword) => errorCode === `${keyword}.openapi.validation`))
    .map(({ path, message }) => ({ path, message: saysPattern.get(message) ?? inWords(message) }));
}

/** The validator's words, where they need knowledge of JSON schema to be understood. */
function inWords(message: string): string {
  if (message === "must NOT have additional properties") return "is not a property of this object";
  return message.replace(
    /^must be (\w+(?:,\w+)+)$/,
    (_, types: string) => `must be ${types.split(",").join(" or ")}`,
  );
}

/** Whether a JSON pointer is another one, or points below it. */
function isWithin(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}/`);
}
