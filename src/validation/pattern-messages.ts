import { isObject } from "./is-object.ts";

/** What the contract's `x-pattern-message` says in place of the validator's own words, which recite the pattern. */
export function patternMessages(document: unknown): ReadonlyMap<string, string> {
  const messages = new Map<string, string>();

  function visit(value: unknown): void {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!isObject(value)) return;
    const { pattern, "x-pattern-message": says } = value;
    if (typeof pattern === "string" && typeof says === "string")
      messages.set(`must match pattern "${pattern}"`, says);
    Object.values(value).forEach(visit);
  }

  visit(document);
  return messages;
}
