import * as OpenApiValidator from "express-openapi-validator";
import type { Express, Request, RequestHandler, Response } from "express";
import type { OpenApiDocument, Operation } from "../contract.ts";
import { validatorDocument } from "./validator-document.ts";

/** How strictly the gateway checks itself. */
export interface ValidatorOptions {
  /** Whether answers are checked too; for tests, since it costs time. */
  readonly responses: boolean;
}

/** OpenAPI's formats that are no more than names for a range, which the schemas state themselves. */
const formats = { uint32: true, uint64: true } as const;

/** The validator's middleware that looks at a request: path parameters, metadata, security, the request. */
const requestSteps = 4;

/** The schema checks of one operation. Resolves when they are compiled; rejects when they cannot be. */
export async function createValidator(
  app: Express,
  document: OpenApiDocument,
  operation: Operation,
  { responses }: ValidatorOptions,
): Promise<RequestHandler[]> {
  const validator = OpenApiValidator.middleware({
    // Its type knows fewer keywords of OpenAPI 3.1 than the validator does.
    apiSpec: validatorDocument(document, operation, responses) as unknown as Parameters<
      typeof OpenApiValidator.middleware
    >[0]["apiSpec"] &
      object,
    validateApiSpec: false,
    validateSecurity: false,
    fileUploader: false,
    // Unknown query parameters are found together with the other faults of the query.
    validateRequests: { allErrors: true, allowUnknownQueryParameters: true },
    validateResponses: responses,
    formats,
  });
  await compile(app, validator.slice(0, requestSteps), operation);
  return validator;
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
