import type { Operation } from "../contract.ts";
import type { Fault } from "../errors/refusal.ts";
import { escapePointer } from "./json-pointer.ts";

/** An integer as JSON spells it; `Number` would also read `0x10`, `1e2` and ` 5`. */
const integerPattern = /^(?:0|-?[1-9][0-9]*)$/;

/**
 * What is wrong with a query string before any schema is asked: parameters that the operation does not have,
 * repeated, empty, or not spelled as their type.
 */
export function queryFaults({ parameters }: Operation, url: string): Fault[] {
  const at = url.indexOf("?");
  if (at === -1 || at === url.length - 1) return [];
  if (!isPercentEncodedUtf8(url.slice(at + 1)))
    return [{ path: "/query", message: "must be percent-encoded UTF-8" }];
  const query = new URLSearchParams(url.slice(at + 1));
  return [...new Set(query.keys())].flatMap((name): Fault[] => {
    const path = `/query/${escapePointer(name)}`;
    const parameter = parameters.find((known) => known.in === "query" && known.name === name);
    if (parameter === undefined) return [{ path, message: "is not a parameter of this operation" }];
    const values = query.getAll(name);
    if (values.length > 1 && parameter.schema.type !== "array")
      return [{ path, message: "must be given once" }];
    if (values.includes("")) return [{ path, message: "must not be empty" }];
    if (parameter.schema.type === "integer" && !values.every((value) => integerPattern.test(value))) {
      return [{ path, message: "must be an integer in decimal digits" }];
    }
    return [];
  });
}

/** Parsers of query strings put U+FFFD for what they cannot decode, which nobody sent. */
function isPercentEncodedUtf8(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
