import { AjvOptions } from "express-openapi-validator/dist/framework/ajv/options.js";
import { RequestValidator as LibraryValidator } from "express-openapi-validator/dist/middlewares/openapi.request.validator.js";
import { ContentType } from "express-openapi-validator/dist/middlewares/util.js";
import type { OpenApiDocument, Operation } from "../contract.ts";
import type { Violation } from "../errors/http-error.ts";
import { didYouMean, didYouMeanOneOf } from "../nearest-name.ts";
import { withConstraints } from "./constraints.ts";
import { useBoundedKeywords } from "./bounded-keywords.ts";
import type { KeywordRegistry, SchemaError } from "./bounded-keywords.ts";
import { isObject } from "./json-object.ts";
import { nullKeyword, rejectNull } from "./reject-null.ts";
import { escapePointer, valueAt } from "./json-pointer.ts";

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

/** The contract's `x-pattern-message` for each message of Ajv that recites a pattern. */
export function patternMessages(document: unknown): ReadonlyMap<string, string> {
  const messages = new Map<string, string>();

  function visit(value: unknown): void {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!isObject(value)) return;
    const { pattern, "x-pattern-message": message } = value;
    if (typeof pattern === "string" && typeof message === "string")
      messages.set(`must match pattern "${pattern}"`, message);
    Object.values(value).forEach(visit);
  }

  visit(document);
  return messages;
}

/** The violations for Ajv's errors in `parts`, in words for a client. */
export function violationsFromSchemaErrors(
  errors: readonly SchemaError[],
  messages: ReadonlyMap<string, string>,
  parts: Partial<RequestParts>,
): Violation[] {
  const nulls = new Set(
    errors.filter(({ keyword }) => keyword === nullKeyword).map(({ instancePath }) => instancePath),
  );
  return (
    errors
      // An error of `if` only states that `then` has failed, whose own errors are listed too.
      .filter(({ keyword }) => keyword !== "if" && keyword !== nullKeyword)
      .map((error) => {
        const subject = error.params.isKey === true ? "has a key that " : "";
        const message = messages.get(messageOf(error)) ?? subject + inPlainWords(error, parts);
        if (error.keyword !== "type") return { path: pathOf(error), message };
        const hint = nulls.has(error.instancePath) ? leaveOut : otherSpelling(error, parts);
        return { path: pathOf(error), message: hint === undefined ? message : `${message}; ${hint}` };
      })
  );
}

const leaveOut = "leave it out instead of sending null";

/** What texts are values of a type in quotes. Python writes `True`. */
const quotedValues: ReadonlyMap<unknown, RegExp> = new Map([
  ["boolean", /^(?:true|false)$/i],
  ["integer", /^-?\d+$/],
  ["number", /^-?\d+(?:\.\d+)?$/],
]);

/** How to write a value of the body that is of another type than the contract's; undefined if that is not clear. */
function otherSpelling({ params: { type }, instancePath }: SchemaError, parts: Partial<RequestParts>) {
  if (!instancePath.startsWith("/body/")) return undefined;
  const value = valueAt(parts, instancePath);
  if (type === "string" && (typeof value === "number" || typeof value === "boolean"))
    return "put it in quotes";
  if (typeof value !== "string") return undefined;
  if (type === "array") return "put it in brackets";
  return quotedValues.get(type)?.test(value) === true ? "leave out the quotes" : undefined;
}

/** A missing or unknown property has a path of its own, not that of the object around it. */
function pathOf({ instancePath, params }: SchemaError): string {
  const property = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  return property === undefined ? instancePath : `${instancePath}/${escapePointer(property)}`;
}

function messageOf({ message = "is not allowed" }: SchemaError): string {
  return message;
}

/** Ajv's message, reworded where it assumes knowledge of JSON schema, and without capitals. */
function inPlainWords(error: SchemaError, parts: Partial<RequestParts>): string {
  const message = messageOf(error);
  const { allowedValues, missingProperty, additionalProperty, knownProperties = [] } = error.params;
  if (allowedValues !== undefined) {
    const value = valueAt(parts, error.instancePath);
    const names = allowedValues.map(String);
    return `must be one of ${names.join(", ")}${typeof value === "string" ? didYouMean(value, names) : ""}`;
  }
  if (missingProperty !== undefined) return "is required";
  if (additionalProperty !== undefined)
    return `is not a property of this object${didYouMeanOneOf(additionalProperty, knownProperties, "properties")}`;
  if (/^must NOT have fewer than 1 /.test(message)) return "must not be empty";
  if (message === "must be boolean") return "must be true or false";
  return message
    .replace(
      /^must NOT have duplicate items \(items ## (\d+) and (\d+) are identical\)$/,
      "must not repeat an item (items $1 and $2 are equal)",
    )
    .replace(/^must NOT /, "must not ")
    .replace(/^must be (\w+(?:,\w+)+)$/, (_, types: string) => `must be ${types.split(",").join(" or ")}`);
}
