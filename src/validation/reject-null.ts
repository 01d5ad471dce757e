import { isObject } from "./json-object.ts";

/** The keyword whose error, beside that of the type, shows that a value is null and can be left out. */
export const nullKeyword = "not";

/**
 * Makes every optional property in a part of the contract, and every value of a map, reject null, in place. Their types
 * reject it already, but the error of a type does not show whether the property is required.
 */
export function rejectNull<T>(part: T): T {
  visit(part);
  return part;
}

function visit(value: unknown): void {
  if (Array.isArray(value)) return value.forEach(visit);
  if (!isObject(value)) return;
  const { properties, required, additionalProperties } = value;
  if (isObject(properties)) {
    for (const [name, schema] of Object.entries(properties))
      if (!Array.isArray(required) || !required.includes(name)) mark(schema);
  }
  mark(additionalProperties);
  Object.values(value).forEach(visit);
}

function mark(schema: unknown): void {
  if (isObject(schema)) schema[nullKeyword] = { type: "null" };
}
