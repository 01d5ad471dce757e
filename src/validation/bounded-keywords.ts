import { maxViolations } from "../errors/http-error.ts";
import { keysOf } from "./json-object.ts";
import { escapePointer } from "./json-pointer.ts";

/** A validation error as Ajv reports it. */
export interface SchemaError {
  readonly keyword: string;
  /** JSON pointer to the value. */
  readonly instancePath: string;
  readonly message?: string;
  readonly params: {
    readonly missingProperty?: string;
    readonly additionalProperty?: string;
    /** Beside `additionalProperty`: the properties that the object may have. */
    readonly knownProperties?: readonly string[];
    readonly unevaluatedProperty?: string;
    /** Whether the value is a key of the object at `instancePath`. */
    readonly isKey?: boolean;
    readonly allowedValues?: readonly unknown[];
    readonly [other: string]: unknown;
  };
}

/** The position of a value in the validated data, as Ajv passes it. */
interface DataContext {
  readonly instancePath: string;
  readonly parentData?: unknown;
  readonly parentDataProperty?: string | number;
  readonly rootData?: unknown;
}

/** A compiled schema: returns whether a value is valid, and keeps the errors of its last call. */
interface ValidateFunction {
  (value: unknown, context: DataContext): boolean;
  errors?: readonly SchemaError[] | null;
}

/** The part of Ajv that defines keywords. */
export interface KeywordRegistry {
  compile(schema: unknown): ValidateFunction;
  removeKeyword(keyword: string): unknown;
  addKeyword(definition: {
    keyword: string;
    type: "array" | "object" | "string";
    /** The keyword whose errors come after those of this one; without it, they come last. */
    before?: string;
    compile: (schema: unknown, parentSchema: Record<string, unknown>) => ValidateFunction;
  }): unknown;
}

/** The errors of a keyword for a value, produced one by one on demand. */
type FindErrors<Value> = (value: Value, context: DataContext) => Iterable<SchemaError>;

/** Compiles a keyword from its schema and the schema that contains it. */
type CompileKeyword<Value> = (
  schema: unknown,
  parentSchema: Record<string, unknown>,
  ajv: KeywordRegistry,
) => FindErrors<Value>;

/**
 * The maximum number of errors that one keyword reports for one value. It exceeds that of violations in a response,
 * because several errors may become one violation or none.
 */
const maxErrors = 10 * maxViolations;

/**
 * Replaces the keywords that visit every item, property or character. Ajv's own visit all of the data before they report the first
 * error, which takes most of a second for an invalid body of 1 MiB. These stop after `maxErrors`, and skip the content
 * of lists and objects that exceed `maxItems` or `maxProperties`, and that of strings which are clearly too long. The
 * keywords `patternProperties` and `unevaluated…` are not supported beside them.
 */
export function useBoundedKeywords(ajv: KeywordRegistry): void {
  const stringKeywords = { maxLength, minLength };
  const arrayKeywords = { items, uniqueItems };
  const objectKeywords = { maxProperties, additionalProperties, propertyNames };
  for (const [keyword, compile] of Object.entries(arrayKeywords)) replace(ajv, keyword, "array", compile);
  for (const [keyword, compile] of Object.entries(objectKeywords)) replace(ajv, keyword, "object", compile);
  for (const [keyword, compile] of Object.entries(stringKeywords))
    replace(ajv, keyword, "string", compile, { before: "pattern" });
}

function replace<Value>(
  ajv: KeywordRegistry,
  keyword: string,
  type: "array" | "object" | "string",
  compileKeyword: CompileKeyword<Value>,
  position: { readonly before?: string } = {},
): void {
  ajv.removeKeyword(keyword);
  ajv.addKeyword({
    ...position,
    keyword,
    type,
    compile(schema, parentSchema) {
      const findErrors = compileKeyword(schema, parentSchema, ajv);
      const validate: ValidateFunction = (value, context) => {
        const errors: SchemaError[] = [];
        for (const error of findErrors(value as Value, context)) if (errors.push(error) >= maxErrors) break;
        validate.errors = errors;
        return errors.length === 0;
      };
      return validate;
    },
  });
}

const minLength: CompileKeyword<string> = (schema) => {
  const limit = Number(schema);
  const message = `must NOT have fewer than ${limit} characters`;
  return (text, { instancePath }) =>
    hasMore(text, limit - 1)
      ? noErrors
      : [{ keyword: "minLength", instancePath, message, params: { limit } }];
};

const maxLength: CompileKeyword<string> = (schema) => {
  const limit = Number(schema);
  const message = `must NOT have more than ${limit} characters`;
  return (text, { instancePath }) =>
    hasMore(text, limit) ? [{ keyword: "maxLength", instancePath, message, params: { limit } }] : noErrors;
};

/** Whether a text has more than `limit` characters, each of one or two code units. */
function hasMore(text: string, limit: number): boolean {
  return text.length > 2 * limit || (text.length > limit && Array.from(text).length > limit);
}

const items: CompileKeyword<unknown[]> = (schema, { maxItems = Infinity }, ajv) => {
  const validate = ajv.compile(schema);
  return function* (list, context) {
    if (list.length > Number(maxItems)) return;
    for (const [index, item] of list.entries()) {
      const errors = errorsOfChild(validate, list, index, item, context);
      if (errors.length > 0) yield* errors;
    }
  };
};

/** Compares strings and other primitives only. Comparing lists and objects takes quadratic time. */
const uniqueItems: CompileKeyword<unknown[]> = (schema, { maxItems = Infinity }) =>
  function* (list, { instancePath }) {
    if (schema !== true || list.length > Number(maxItems)) return;
    const firstIndexes = new Map<unknown, number>();
    for (const [index, item] of list.entries()) {
      const first = firstIndexes.get(item);
      if (first === undefined) {
        firstIndexes.set(item, index);
        continue;
      }
      const message = `must NOT have duplicate items (items ## ${first} and ${index} are identical)`;
      yield { keyword: "uniqueItems", instancePath, message, params: { i: index, j: first } };
      return;
    }
  };

const maxProperties: CompileKeyword<object> = (schema) =>
  function* (object, { instancePath }) {
    if (!isLarger(object, schema)) return;
    const message = `must NOT have more than ${String(schema)} properties`;
    yield { keyword: "maxProperties", instancePath, message, params: { limit: schema } };
  };

const additionalProperties: CompileKeyword<Record<string, unknown>> = (schema, parentSchema, ajv) => {
  if (schema === true) return () => [];
  const knownProperties = Object.keys(parentSchema["properties"] ?? {});
  const known = new Set(knownProperties);
  const validate = schema === false ? undefined : ajv.compile(schema);
  return function* (object, context) {
    if (isLarger(object, parentSchema["maxProperties"])) return;
    for (const key of keysOf(object)) {
      if (known.has(key)) continue;
      if (validate === undefined) yield unknownProperty(key, knownProperties, context);
      else yield* errorsOfChild(validate, object, key, object[key], context);
    }
  };
};

function unknownProperty(
  additionalProperty: string,
  knownProperties: readonly string[],
  { instancePath }: DataContext,
): SchemaError {
  const message = "must NOT have additional properties";
  const params = { additionalProperty, knownProperties };
  return { keyword: "additionalProperties", instancePath, message, params };
}

const propertyNames: CompileKeyword<object> = (schema, parentSchema, ajv) => {
  const validate = ajv.compile(schema);
  return function* (object, { instancePath }) {
    if (isLarger(object, parentSchema["maxProperties"])) return;
    for (const key of keysOf(object)) {
      if (validate(key, { instancePath })) continue;
      for (const error of validate.errors ?? []) yield { ...error, params: { ...error.params, isKey: true } };
    }
  };
};

function isLarger(object: object, limit: unknown): boolean {
  return limit !== undefined && keysOf(object).length > Number(limit);
}

/** The errors of an item or a property. Builds the path only when there are errors, as most values have none. */
function errorsOfChild(
  validate: ValidateFunction,
  parentData: object,
  parentDataProperty: string | number,
  value: unknown,
  { instancePath, rootData }: DataContext,
): readonly SchemaError[] {
  if (validate(value, { instancePath: "", parentData, parentDataProperty, rootData })) return noErrors;
  const path = `${instancePath}/${escapePointer(String(parentDataProperty))}`;
  return (validate.errors ?? noErrors).map((error) => ({
    ...error,
    instancePath: path + error.instancePath,
  }));
}

const noErrors: readonly SchemaError[] = [];
