import { isObject } from "./json-object.ts";

/**
 * A copy of a part of the contract in which each schema has the keywords of its `x-constraints`.
 *
 * The contract keeps keywords apart that code generators cannot use: unions of types, patterns that RE2 does not know,
 * unique items, conditions. They hold for requests like all other keywords.
 */
export function withConstraints<T>(part: T): T {
  // Only keywords are added, so the type of the part is that of the copy.
  return copyOf(part) as T;
}

function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (!isObject(value)) return value;
  const { "x-constraints": constraints, ...schema } = value;
  const merged = isObject(constraints) ? { ...schema, ...constraints } : schema;
  return Object.fromEntries(Object.entries(merged).map(([key, member]) => [key, copyOf(member)]));
}
