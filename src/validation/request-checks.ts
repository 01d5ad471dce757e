import { OpenApiValidator } from "express-openapi-validator/dist/openapi.validator.js";
import { RequestValidator } from "express-openapi-validator/dist/middlewares/openapi.request.validator.js";
import { SchemaPreprocessor } from "express-openapi-validator/dist/middlewares/parsers/schema.preprocessor.js";
import { ContentType } from "express-openapi-validator/dist/middlewares/util.js";
import type { OpenApiDocument, Operation } from "../contract.ts";
import { useBoundedKeywords } from "./bounded-keywords.ts";
import type { KeywordHost } from "./bounded-keywords.ts";
import { validatorDocument } from "./validator-document.ts";

/** The parts of a request that the contract speaks of. Parameters are coerced to their types in place. */
export interface RequestParts {
  /** By the names of the operation's query parameters; a list where the parameter is an array. */
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Decoded path parameters. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** What a schema has against a request. */
export interface SchemaError {
  readonly keyword: string;
  /** JSON pointer to the value. */
  readonly instancePath: string;
  readonly message?: string;
  readonly params: {
    readonly missingProperty?: string;
    readonly additionalProperty?: string;
    readonly unevaluatedProperty?: string;
    readonly allowedValues?: readonly unknown[];
    readonly [other: string]: unknown;
  };
}

/** All that the schemas of one operation have against a request; none when it fits them. */
export type RequestCheck = (parts: RequestParts) => readonly SchemaError[];

/** A function that Ajv has compiled. */
interface CompiledSchema {
  (parts: RequestParts): boolean;
  readonly errors?: readonly SchemaError[] | null;
}

/** An instance of Ajv. */
interface Ajv extends KeywordHost {
  getSchema(key: string): CompiledSchema | undefined;
}

/** What express-openapi-validator keeps to itself, as far as it is used here. */
interface ValidatorInternals {
  readonly ajv: Ajv;
  readonly ajvBody: Ajv;
  buildMiddleware(path: string, operation: unknown, type: ContentType, key: string): unknown;
}

/** OpenAPI's formats that are no more than names for a range, which the schemas state themselves. */
const formats = { uint32: true, uint64: true } as const;

/**
 * Compiles the schemas of the contract with express-openapi-validator; what is returned makes the check of an
 * operation, or throws where its schemas do not compile. The validator's own middleware would match the path
 * and read the parameters of every request once more, at many times the price of the check itself. This is the
 * one file that reaches into the validator.
 */
export function createRequestChecks(document: OpenApiDocument): (operation: Operation) => RequestCheck {
  const apiSpec = validatorDocument(document) as unknown as ConstructorParameters<typeof RequestValidator>[0];
  const { ajvOpts } = new OpenApiValidator({
    apiSpec,
    validateRequests: { allErrors: true, allowUnknownQueryParameters: true },
    formats,
  });
  // Nothing is said of answers, which the type does not foresee.
  new SchemaPreprocessor(apiSpec, ajvOpts.preprocessor, undefined as never).preProcess();
  // Without the paths, which every schema would be compiled along with, and which no reference leads to.
  const validator = new RequestValidator(
    { ...apiSpec, paths: {} },
    ajvOpts.request,
  ) as unknown as ValidatorInternals;
  for (const ajv of [validator.ajv, validator.ajvBody]) useBoundedKeywords(ajv);

  return function createRequestCheck({ id, template, method, hasBody }) {
    const type = ContentType.fromString(hasBody ? "application/json" : "");
    validator.buildMiddleware(template, apiSpec.paths?.[template]?.[method], type, id);
    const compiled = [validator.ajv, ...(hasBody ? [validator.ajvBody] : [])].map((ajv) => ajv.getSchema(id));
    const schemas = compiled.filter((schema) => schema !== undefined);
    if (schemas.length < compiled.length) throw new Error(`the validator has compiled no schema of ${id}`);
    return (parts) => schemas.flatMap((schema) => (schema(parts) ? [] : (schema.errors ?? [])));
  };
}
