import { AjvOptions } from "express-openapi-validator/dist/framework/ajv/options.js";
import { RequestValidator as LibraryValidator } from "express-openapi-validator/dist/middlewares/openapi.request.validator.js";
import { ContentType } from "express-openapi-validator/dist/middlewares/util.js";
import type { OpenApiDocument, Operation } from "../contract.ts";
import type { Violation } from "../errors/http-error.ts";
import { withConstraints } from "./constraints.ts";
import { useBoundedKeywords } from "./bounded-keywords.ts";
import type { KeywordRegistry, SchemaError } from "./bounded-keywords.ts";
import { rejectNull } from "./reject-null.ts";
import { patternMessages, violationsFromSchemaErrors } from "./schema-violations.ts";

/** The parts of a request that the contract describes. */
export interface RequestParts {
  /** By the names of the operation's query parameters; a list where the parameter is an array. */
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Decoded path parameters. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/**
 * Returns the violations of the schemas of one operation; none for a valid request. Coerces the parameters to the types
 * of the contract, in place.
 */
export type RequestValidator = (parts: RequestParts) => Violation[];

/** Returns the validator of an operation; throws when one of its schemas does not compile. */
export type ValidatorOf = (operation: Operation) => RequestValidator;

/** A schema that Ajv has compiled for a whole request. */
interface CompiledSchema {
  (parts: RequestParts): boolean;
  readonly errors?: readonly SchemaError[] | null;
}

interface Ajv extends KeywordRegistry {
  addSchema(schema: unknown, key: string): unknown;
  getSchema(key: string): CompiledSchema | undefined;
}

type LibraryDocument = ConstructorParameters<typeof LibraryValidator>[0];

/** The private members of express-openapi-validator's RequestValidator that are used here. */
interface ValidatorInternals {
  readonly ajv: Ajv;
  readonly ajvBody: Ajv;
  buildMiddleware(
    path: string,
    operation: Pick<Operation, "parameters" | "requestBody">,
    type: ContentType,
    key: string,
  ): unknown;
}

/** The type requires the options of the library's other parts, too. */
const { request: requestOptions } = new AjvOptions({
  validateRequests: { allErrors: true, allowUnknownQueryParameters: true },
  validateFormats: true,
  ajvFormats: { mode: "fast" },
  // A format that only names a range. The schemas state their own.
  formats: { int64: true },
  serDes: [],
} as unknown as ConstructorParameters<typeof AjvOptions>[0]);

/**
 * Compiles the schemas of the contract with express-openapi-validator, those of an operation once.
 *
 * The library's own middleware would match the path and parse the parameters of every request a second time, at many
 * times the cost of the validation. It would also compile the schemas of responses. No other file knows the library.
 */
export function createRequestValidators(document: OpenApiDocument): ValidatorOf {
  const schemas = rejectNull(withConstraints(document.components["schemas"] ?? {}));
  // Ajv would visit paths and components together with every operation. References find a schema by its key.
  const apiSpec = { ...document, paths: {}, components: {} } as unknown as LibraryDocument;
  const library = new LibraryValidator(apiSpec, {
    ...requestOptions,
    // Optimizing takes a quarter of the compilation and does not make the validation faster.
    code: { optimize: false },
  }) as unknown as ValidatorInternals;
  for (const ajv of [library.ajv, library.ajvBody]) {
    useBoundedKeywords(ajv);
    for (const [name, schema] of Object.entries(schemas))
      ajv.addSchema(schema, `#/components/schemas/${name}`);
  }
  const messages = patternMessages(document);
  const validators = new Map<string, RequestValidator>();

  function createRequestValidator({ id, template, parameters, requestBody }: Operation): RequestValidator {
    const hasBody = requestBody !== undefined;
    const type = ContentType.fromString(hasBody ? "application/json" : "");
    // A fragment, so that references in the operation are to the schemas above.
    const key = `#${id}`;
    // A copy: the library adds properties to the parameters.
    const described = rejectNull(withConstraints({ parameters, requestBody }));
    library.buildMiddleware(template, described, type, key);
    const found = [library.ajv, ...(hasBody ? [library.ajvBody] : [])].map((ajv) => ajv.getSchema(key));
    const compiled = found.filter((schema) => schema !== undefined);
    if (compiled.length < found.length) throw new Error(`the validator has compiled no schema of ${id}`);
    return function validate(parts) {
      const errors = compiled.flatMap((schema) => (schema(parts) ? [] : (schema.errors ?? [])));
      return violationsFromSchemaErrors(errors, messages, parts);
    };
  }

  return function validatorOf(operation) {
    const validator = validators.get(operation.id) ?? createRequestValidator(operation);
    validators.set(operation.id, validator);
    return validator;
  };
}
