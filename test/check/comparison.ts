import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "./openapi-document.ts";

/** Two OpenAPI documents, and where the changes go that break clients. */
export interface Comparison {
  readonly before: JsonObject;
  readonly after: JsonObject;
  /** Pairs of schemas that have been compared: schemas may refer to each other. */
  readonly visited: Set<string>;
  /** The names of the schemas that have been compared. */
  readonly reached: Set<string>;
  report(where: string, what: string, loss: string): void;
}

/** Keys that say nothing about which requests and responses there are, and that no generated type depends on. */
const annotations = new Set([
  "title",
  "description",
  "summary",
  "example",
  "examples",
  "externalDocs",
  "deprecated",
  "$comment",
  "$defs",
  "x-pattern-message",
  "x-protobuf",
]);

/** The keys of two objects, without annotations. */
export function keysOf(before: JsonObject, after: JsonObject): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !annotations.has(key));
}

/** Reports each change of a value that is not an annotation, and that the caller does not compare by rules of its own. */
export function compareOthers(
  comparison: Comparison,
  where: string,
  before: JsonObject,
  after: JsonObject,
  compared: readonly string[],
): void {
  for (const key of keysOf(before, after).filter((name) => !compared.includes(name)))
    compareValues(comparison, where, key, before[key], after[key]);
}

/** Reports that a value is another. */
export function compareValues(
  { report }: Comparison,
  where: string,
  name: string,
  before: unknown,
  after: unknown,
  loss = "clients may depend on the old one",
): void {
  if (!isDeepStrictEqual(before, after)) report(where, changeOf(name, before, after), loss);
}

export function changeOf(name: string, before: unknown, after: unknown): string {
  if (before === undefined) return `${name} ${textOf(after)} is new`;
  if (after === undefined) return `${name} ${textOf(before)} is gone`;
  return `${name} was ${textOf(before)} and is ${textOf(after)}`;
}

/** A value on one line, as the code span of a changelog can hold it. */
export function textOf(value: unknown): string {
  const text = typeof value === "string" && value !== "" ? value : JSON.stringify(value ?? null);
  return text.replace(/\s+/g, " ").replaceAll("`", "'");
}
