import * as OpenApiValidator from "express-openapi-validator";
import type { RequestHandler, Response } from "express";
import type { OpenApiDocument } from "../contract.ts";

/**
 * Answers 500 in place of JSON that the contract does not allow; for tests, since it costs time. The validator checks
 * what is given to `res.json`; here it is asked before any JSON is sent, however it is made.
 */
export function responseValidation(document: OpenApiDocument): RequestHandler[] {
  // A download is no JSON, and the validator would read its key in a way of its own.
  const paths = Object.entries(document.paths).filter(([template]) => !template.includes("{key}"));
  const apiSpec: unknown = { ...document, paths: Object.fromEntries(paths) };
  const validator = OpenApiValidator.middleware({
    // Its type knows fewer keywords of OpenAPI 3.1 than the validator does.
    apiSpec: apiSpec as Parameters<typeof OpenApiValidator.middleware>[0]["apiSpec"] & object,
    validateApiSpec: false,
    validateSecurity: false,
    validateRequests: false,
    validateResponses: true,
    fileUploader: false,
    ignoreUndocumented: true,
    formats: { uint32: true, uint64: true },
  });
  const own = new WeakMap<Response, Response["json"]>();

  const begin: RequestHandler = function begin(_req, res, next) {
    own.set(res, res.json);
    // What the validator passes on goes no further.
    res.json = () => res;
    next();
  };
  const end: RequestHandler = function end(_req, res, next) {
    const validate = res.json;
    res.json = own.get(res) ?? validate;
    res.locals["checkJson"] = (json: unknown) => validate.call(res, json);
    next();
  };
  return [begin, ...validator, end];
}
