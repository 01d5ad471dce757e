import { createResponseAjv } from "express-openapi-validator/dist/framework/ajv/index.js";
import { OpenApiValidator } from "express-openapi-validator/dist/openapi.validator.js";
import { strictContract } from "../support/strict-contract.ts";
import type { FuzzContract } from "./contract.ts";

/** The violations of JSON text against the schema with this `$ref`. */
export type FindSchemaViolations = (ref: string, text: string) => readonly string[];

/** Compiles the contract's schemas like express-openapi-validator does for responses. */
export function createSchemaCheck({ document }: FuzzContract): FindSchemaViolations {
  // The library's types lack keywords of OpenAPI 3.1 that it supports. It modifies the document.
  const apiSpec = strictContract(document) as unknown as ConstructorParameters<
    typeof OpenApiValidator
  >[0]["apiSpec"] &
    object;
  const { ajvOpts } = new OpenApiValidator({ apiSpec, formats: { int64: true } });
  const ajv = createResponseAjv(apiSpec as Parameters<typeof createResponseAjv>[0], ajvOpts.response);

  return function findSchemaViolations(ref, text) {
    const check = ajv.getSchema(ref);
    if (check === undefined) throw new Error(`the contract has no ${ref}`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return ["the body is not JSON"];
    }
    if (check(value) === true) return [];
    return (check.errors ?? []).map(
      ({ instancePath, message }) => `${instancePath || "the body"} ${message}`,
    );
  };
}
