import type { Operation } from "../contract.ts";
import type { Violation } from "../errors/http-error.ts";
import { escapePointer } from "./json-pointer.ts";

/** A query string by the parameters of an operation. */
interface ParsedQuery {
  /** A list for each parameter that is an array, else the first value; unknown parameters are left out. */
  readonly values: Readonly<Record<string, string | string[]>>;
  /** What is wrong with it before any schema is asked. */
  readonly faults: readonly Violation[];
}

const noQuery: ParsedQuery = { values: {}, faults: [] };

/** An integer as JSON spells it; `Number` would also read `0x10`, `1e2` and ` 5`. */
const integerPattern = /^(?:0|-?[1-9][0-9]*)$/;

/**
 * Reads the query string of `url`. Its faults are parameters that the operation does not have, repeated, empty
 * without `allowEmptyValue`, or not spelled as their type.
 */
export function parseQuery({ parameters }: Operation, url: string): ParsedQuery {
  const at = url.indexOf("?");
  if (at === -1 || at === url.length - 1) return noQuery;
  if (!isPercentEncodedUtf8(url.slice(at + 1)))
    return { values: {}, faults: [{ path: "/query", message: "must be percent-encoded UTF-8" }] };
  const query = new URLSearchParams(url.slice(at + 1));
  const values: Record<string, string | string[]> = {};
  const faults: Violation[] = [];

  for (const name of new Set(query.keys())) {
    const refuse = (message: string) => faults.push({ path: `/query/${escapePointer(name)}`, message });
    const parameter = parameters.find((known) => known.in === "query" && known.name === name);
    if (parameter === undefined) {
      refuse("is not a parameter of this operation");
      continue;
    }
    const { type } = parameter.schema;
    const given = query.getAll(name);
    values[name] = type === "array" ? given : (given[0] ?? "");
    if (given.length > 1 && type !== "array") refuse("must be given once");
    else if (given.includes("") && parameter.allowEmptyValue !== true) refuse("must not be empty");
    else if (type === "integer" && !given.every((value) => integerPattern.test(value)))
      refuse("must be an integer in decimal digits");
  }
  return { values, faults };
}

/** Parsers of query strings put U+FFFD for what they cannot decode, which nobody sent. */
function isPercentEncodedUtf8(text: string): boolean {
  try {
    if (text.includes("%")) decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
