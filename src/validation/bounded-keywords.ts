import { maxViolations } from "../errors/http-error.ts";
import { escapePointer } from "./json-pointer.ts";
import { keysOf } from "./keys-of.ts";
import type { SchemaError } from "./request-checks.ts";

/** Where a value stands, as Ajv tells it. */
interface Place {
  readonly instancePath: string;
  readonly parentData?: unknown;
  readonly parentDataProperty?: string | number;
  readonly rootData?: unknown;
}

/** A function that says whether a value is valid, and keeps the faults of its last call. */
interface Check {
  (value: unknown, place: Place): boolean;
  errors?: readonly SchemaError[] | null;
}

/** What is used of Ajv to define keywords. */
export interface KeywordHost {
  compile(schema: unknown): Check;
  removeKeyword(keyword: string): unknown;
  addKeyword(definition: {
    keyword: string;
    type: "array" | "object";
    compile: (schema: unknown, parent: Record<string, unknown>) => Check;
  }): unknown;
}

/** All that a keyword has against a value, found as it is asked for. */
type Find<Value> = (value: Value, place: Place) => Iterable<SchemaError>;

/** What a keyword finds, by its schema and the schema it stands in. */
type Define<Value> = (schema: unknown, parent: Record<string, unknown>, host: KeywordHost) => Find<Value>;

/**
 * Most faults that one keyword tells of one value. More than an answer lists, as several may say the same, or
 * only that another is there.
 */
const enough = 10 * maxViolations;

/**
 * Replaces the keywords that look at every item or property. Ajv's own go through all that a client sent before
 * the first fault is told, so that a rejected body of 1 MiB takes most of a second. These stop where there are
 * enough faults, and look at nothing that is refused for its size. `patternProperties` and `unevaluated…` would
 * not know of them.
 */
export function useBoundedKeywords(host: KeywordHost): void {
  const lists = { items, uniqueItems };
  const objects = { maxProperties, additionalProperties, propertyNames };
  for (const [keyword, define] of Object.entries(lists)) replace(host, keyword, "array", define);
  for (const [keyword, define] of Object.entries(objects)) replace(host, keyword, "object", define);
}

function replace<Value>(
  host: KeywordHost,
  keyword: string,
  type: "array" | "object",
  define: Define<Value>,
): void {
  host.removeKeyword(keyword);
  host.addKeyword({
    keyword,
    type,
    compile(schema, parent) {
      const find = define(schema, parent, host);
      const check: Check = (value, place) => {
        const errors: SchemaError[] = [];
        for (const fault of find(value as Value, place)) if (errors.push(fault) >= enough) break;
        check.errors = errors;
        return errors.length === 0;
      };
      return check;
    },
  });
}

const items: Define<unknown[]> = (schema, { maxItems = Infinity }, host) => {
  const check = host.compile(schema);
  return function* (list, place) {
    if (list.length > Number(maxItems)) return;
    for (const [index, item] of list.entries()) {
      const faults = faultsBelow(check, list, index, item, place);
      if (faults.length > 0) yield* faults;
    }
  };
};

/** Knows texts and other single values only: to compare lists and objects takes each with each. */
const uniqueItems: Define<unknown[]> = (schema, { maxItems = Infinity }) =>
  function* (list, { instancePath }) {
    if (schema !== true || list.length > Number(maxItems)) return;
    const first = new Map<unknown, number>();
    for (const [index, item] of list.entries()) {
      const other = first.get(item);
      if (other === undefined) {
        first.set(item, index);
        continue;
      }
      const message = `must NOT have duplicate items (items ## ${other} and ${index} are identical)`;
      yield { keyword: "uniqueItems", instancePath, message, params: { i: index, j: other } };
      return;
    }
  };

const maxProperties: Define<object> = (schema) =>
  function* (object, { instancePath }) {
    if (!isLarger(object, schema)) return;
    const message = `must NOT have more than ${String(schema)} properties`;
    yield { keyword: "maxProperties", instancePath, message, params: { limit: schema } };
  };

const additionalProperties: Define<Record<string, unknown>> = (schema, parent, host) => {
  if (schema === true) return () => [];
  const known = new Set(Object.keys(parent["properties"] ?? {}));
  const check = schema === false ? undefined : host.compile(schema);
  return function* (object, place) {
    if (isLarger(object, parent["maxProperties"])) return;
    for (const key of keysOf(object)) {
      if (known.has(key)) continue;
      if (check === undefined) yield unknownProperty(key, place);
      else yield* faultsBelow(check, object, key, object[key], place);
    }
  };
};

function unknownProperty(key: string, { instancePath }: Place): SchemaError {
  const message = "must NOT have additional properties";
  return { keyword: "additionalProperties", instancePath, message, params: { additionalProperty: key } };
}

const propertyNames: Define<object> = (schema, parent, host) => {
  const check = host.compile(schema);
  return function* (object, { instancePath }) {
    if (isLarger(object, parent["maxProperties"])) return;
    for (const key of keysOf(object)) if (!check(key, { instancePath })) yield* check.errors ?? [];
  };
};

function isLarger(object: object, maxProperties: unknown): boolean {
  return maxProperties !== undefined && keysOf(object).length > Number(maxProperties);
}

/** What `check` has against an item or a property. Its path is written for faults only: most values have none. */
function faultsBelow(
  check: Check,
  parentData: object,
  parentDataProperty: string | number,
  value: unknown,
  { instancePath, rootData }: Place,
): readonly SchemaError[] {
  if (check(value, { instancePath: "", parentData, parentDataProperty, rootData })) return none;
  const path = `${instancePath}/${escapePointer(String(parentDataProperty))}`;
  return (check.errors ?? none).map((fault) => ({ ...fault, instancePath: path + fault.instancePath }));
}

const none: readonly SchemaError[] = [];
