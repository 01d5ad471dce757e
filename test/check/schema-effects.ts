import { isDeepStrictEqual } from "node:util";

/**
 * Who sends what a schema describes. A request must not become narrower, a response neither wider nor of another type.
 * `either` is both: a condition that changes in any way selects other values.
 */
export type Direction = "request" | "response" | "either";

/** What a change does to the values that a schema allows. */
export type Effect = "none" | "narrows" | "widens" | "changes";

/** Bounds that may grow in responses, as docs/compatibility.md says: larger limits. */
const limits = new Set([
  "maxLength",
  "maxItems",
  "maxProperties",
  "maxContains",
  "maximum",
  "exclusiveMaximum",
]);

/** Keywords that decide which type is generated for a response. */
const typing = new Set(["type", "oneOf", "anyOf"]);

const rules: Readonly<Record<string, (before: unknown, after: unknown) => Effect>> = {
  maxLength: upperBound,
  maxItems: upperBound,
  maxProperties: upperBound,
  maxContains: upperBound,
  maximum: upperBound,
  exclusiveMaximum: upperBound,
  minLength: (before = 0, after = 0) => lowerBound(before, after),
  minItems: (before = 0, after = 0) => lowerBound(before, after),
  minProperties: (before = 0, after = 0) => lowerBound(before, after),
  minContains: (before = 1, after = 1) => lowerBound(before, after),
  minimum: lowerBound,
  exclusiveMinimum: lowerBound,
  pattern: constraint,
  multipleOf: constraint,
  const: constraint,
  enum: constraint,
  not: constraint,
  contains: constraint,
  dependentRequired: constraint,
  dependentSchemas: constraint,
  prefixItems: constraint,
  uniqueItems: (before, after) => constraint(before === true || undefined, after === true || undefined),
  type: (before, after) => typeEffect(typesOf(before), typesOf(after)),
};

/** The effect of another value of a keyword; undefined is none. Clients may notice any change of an unknown keyword. */
export function effectOf(keyword: string, before: unknown, after: unknown): Effect {
  return isDeepStrictEqual(before, after) ? "none" : (rules[keyword]?.(before, after) ?? "changes");
}

/** Whether an effect breaks clients. */
export function breaks(direction: Direction, keyword: string, effect: Effect): boolean {
  if (effect === "none") return false;
  if (effect === "changes" || direction === "either") return true;
  if (direction === "request") return effect === "narrows";
  return typing.has(keyword) || (effect === "widens" && !limits.has(keyword));
}

/** What clients lose by an effect that breaks them. */
export function lossBy(direction: Direction, keyword: string, effect: Effect): string {
  const isResponse = direction === "response";
  if (direction === "either") return "other requests may get 400";
  if (keyword === "default") return "requests that leave it out mean something else";
  if (keyword === "required") return isResponse ? "responses may lack it" : "requests without it get 400";
  if (keyword.endsWith("enum") && effect === "changes")
    return isResponse ? "clients no longer receive it" : "requests with it get 400";
  if (keyword === "format" || (typing.has(keyword) && (isResponse || effect !== "narrows")))
    return "generated clients have another type";
  return isResponse ? "clients may receive what was excluded" : "requests that were valid may get 400";
}

function upperBound(before: unknown, after: unknown): Effect {
  return lowerBound(negative(before), negative(after));
}

function negative(bound: unknown): unknown {
  return typeof bound === "number" ? -bound : bound;
}

function lowerBound(before: unknown, after: unknown): Effect {
  if (typeof before !== "number" || typeof after !== "number") return constraint(before, after);
  return after > before ? "narrows" : after < before ? "widens" : "none";
}

/** The effect of a constraint that cannot be compared but by its presence. */
function constraint(before: unknown, after: unknown): Effect {
  if (isDeepStrictEqual(before, after)) return "none";
  return before === undefined ? "narrows" : after === undefined ? "widens" : "changes";
}

const jsonTypes = ["null", "boolean", "object", "array", "number", "integer", "string"];

/** The types that a schema allows: all if it names none. */
function typesOf(type: unknown): readonly unknown[] {
  if (type === undefined) return jsonTypes;
  const named: readonly unknown[] = Array.isArray(type) ? type : [type];
  return named.includes("number") ? [...named, "integer"] : named;
}

function typeEffect(before: readonly unknown[], after: readonly unknown[]): Effect {
  const loses = before.some((type) => !after.includes(type));
  const gains = after.some((type) => !before.includes(type));
  if (loses) return gains ? "changes" : "narrows";
  return gains ? "widens" : "none";
}
