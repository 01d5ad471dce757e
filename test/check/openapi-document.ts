/** A JSON object of an OpenAPI document. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `value` if it is an object; otherwise an empty one, which stands for what a document leaves out. */
export function objectOr(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** `value` if it is an array; otherwise an empty one. */
export function arrayOr(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What a reference leads to, and the name of the component; of the last one if it is a reference itself. */
export interface Resolved {
  readonly value: JsonObject;
  /** Undefined if `value` was no reference. */
  readonly name: string | undefined;
}

/** Follows the references of `value` in `document`. What stands beside a reference is added to what it leads to. */
export function resolved(document: JsonObject, value: unknown): Resolved {
  const { $ref, ...beside } = objectOr(value);
  if (typeof $ref !== "string") return { value: beside, name: undefined };
  const keys = $ref
    .replace(/^#\//, "")
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const target = keys.reduce<unknown>((parent, key) => objectOr(parent)[key], document);
  const { value: found, name = keys.slice(2).join(".") } = resolved(document, target);
  return { value: { ...found, ...beside }, name };
}

/** The JSON objects that are the members of `value`, by key. */
export function members(value: unknown): [key: string, member: JsonObject][] {
  return Object.entries(objectOr(value)).map(([key, member]) => [key, objectOr(member)]);
}
