import { createResponseAjv } from "express-openapi-validator/dist/framework/ajv/index.js";
import { OpenApiValidator } from "express-openapi-validator/dist/openapi.validator.js";
import type { FuzzContract } from "./contract.ts";

/** What JSON text has against being the schema with this `$ref`. */
export type Conformance = (ref: string, text: string) => readonly string[];

/** Compiles the contract's schemas, as express-openapi-validator does for answers. */
export function createConformance({ document }: FuzzContract): Conformance {
  // The validator's types know fewer keywords of OpenAPI 3.1 than it does; it changes what it is given.
  const apiSpec = structuredClone(document) as unknown as ConstructorParameters<
    typeof OpenApiValidator
  >[0]["apiSpec"] &
    object;
  const { ajvOpts } = new OpenApiValidator({ apiSpec, formats: { uint32: true, uint64: true } });
  const ajv = createResponseAjv(apiSpec as Parameters<typeof createResponseAjv>[0], ajvOpts.response);

  return function conformance(ref, text) {
    const check = ajv.getSchema(ref);
    if (check === undefined) throw new Error(`the contract has no ${ref}`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return ["the body is no JSON"];
    }
    if (check(value) === true) return [];
    return (check.errors ?? []).map(
      ({ instancePath, message }) => `${instancePath || "the body"} ${message}`,
    );
  };
}
