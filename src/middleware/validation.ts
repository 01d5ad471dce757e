import * as OpenApiValidator from "express-openapi-validator";
import type { ErrorRequestHandler, Express, Request, RequestHandler, Response } from "express";
import type { OpenApiDocument, Operation } from "../contract.ts";
import { invalidRequest, maxFaults } from "../errors/refusal.ts";
import type { Fault } from "../errors/refusal.ts";
import { queryFaults } from "../validation/query-faults.ts";
import { ruleFaults } from "../validation/rules.ts";
import { patternMessages } from "../validation/pattern-messages.ts";
import { validatorDocument } from "../validation/validator-document.ts";

/** How strictly the gateway checks itself. */
interface ValidationOptions {
  /** Whether answers are checked too; for tests, since it costs time. */
  readonly responses: boolean;
}

/** OpenAPI's formats that are no more than names for a range, which the schemas state themselves. */
const formats = { uint32: true, uint64: true } as const;

/**
 * Refuses a request that the contract does not allow, with every fault at once: the schema's, those of the query
 * string's spelling, and what a schema cannot say. Resolves when the contract is compiled; rejects when it
 * cannot be.
 */
export async function validation(
  app: Express,
  document: OpenApiDocument,
  operation: Operation,
  options: ValidationOptions,
) {
  const validator = OpenApiValidator.middleware({
    // Its type knows fewer keywords of OpenAPI 3.1 than the validator does.
    apiSpec: validatorDocument(document, operation, options.responses) as unknown as Parameters<
      typeof OpenApiValidator.middleware
    >[0]["apiSpec"] &
      object,
    validateApiSpec: false,
    validateSecurity: false,
    fileUploader: false,
    // Unknown query parameters are found together with the other faults, by `queryFaults`.
    validateRequests: { allErrors: true, allowUnknownQueryParameters: true },
    validateResponses: options.responses,
    formats,
  });
  await compile(app, validator.slice(0, requestSteps), operation);

  const saysPattern = patternMessages(document);

  function* furtherFaults(req: Request): Generator<Fault> {
    yield* queryFaults(operation, req.originalUrl);
    yield* ruleFaults(operation.id, req);
  }

  const checkRules: RequestHandler = function checkRules(req, _res, next) {
    if (!("openapi" in req)) throw invalidRequest([unmatched]);
    const isFaulty = furtherFaults(req).some(() => true);
    next(isFaulty ? invalidRequest(furtherFaults(req)) : undefined);
  };

  const collectFaults: ErrorRequestHandler = function collectFaults(error: unknown, req, _res, next) {
    if (error instanceof OpenApiValidator.error.NotFound) return next(invalidRequest([unmatched]));
    const faults = schemaFaults(error, saysPattern);
    if (faults === undefined) return next(error);
    const further = furtherFaults(req).take(maxFaults).toArray();
    // What is wrong with a parameter's spelling makes the schema's word on it an echo.
    const isEcho = ({ path }: Fault) =>
      further.some((fault) => fault.path.startsWith("/query") && isWithin(path, fault.path));
    next(invalidRequest([...faults.filter((fault) => !isEcho(fault)), ...further]));
  };

  return [...validator, checkRules, collectFaults];
}

/**
 * Sends one request through a validator. It compiles in the background and on first use, and would report a
 * broken contract as a failure of every request: this way it stops the start instead.
 */
async function compile(app: Express, validator: readonly RequestHandler[], { template, method }: Operation) {
  const path = template.replace(/\{\w+\}/g, "-");
  const headers = { "content-type": "application/json" };
  const req = {
    app,
    method: method.toUpperCase(),
    originalUrl: path,
    path,
    baseUrl: "",
    headers,
    query: {},
    params: {},
  };
  for (const middleware of validator) {
    const failure = await new Promise<Error | undefined>((resolve) => {
      // No more of a request and a response than the validator reads.
      void middleware(req as unknown as Request, {} as unknown as Response, (error?: unknown) =>
        resolve(error as Error | undefined),
      );
    });
    if (failure instanceof OpenApiValidator.error.BadRequest) return;
    if (failure !== undefined) throw failure;
  }
}

/** The validator's middleware that looks at the request: path parameters, metadata, security, the request. */
const requestSteps = 4;

/** The validator matches the path again, by itself: what it makes no match of it does not check. */
const unmatched: Fault = { path: "/params", message: "must be percent-encoded" };

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
