import type { Operation } from "../contract.ts";
import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { didYouMeanOneOf } from "../nearest-name.ts";
import { escapePointer } from "./json-pointer.ts";

/** A query string, parsed by the parameters of an operation. */
interface ParsedQuery {
  /** A list for each parameter that is an array, else the first value. Unknown parameters are left out. */
  readonly values: Readonly<Record<string, string | string[]>>;
  /** The violations that are found before any schema is applied. */
  readonly violations: readonly Violation[];
}

const noQuery: ParsedQuery = { values: {}, violations: [] };

/** An integer as JSON spells it; `Number` would also accept `0x10`, `1e2` and ` 5`. */
const integerPattern = /^(?:0|-?[1-9][0-9]*)$/;

/**
 * Parses the query string of `url`. Reports parameters that the operation does not have, that are repeated, that are
 * empty without `allowEmptyValue`, or that are not spelled as their type requires; at most `maxViolations`.
 */
export function parseQuery({ parameters }: Operation, url: string): ParsedQuery {
  const at = url.indexOf("?");
  if (at === -1 || at === url.length - 1) return noQuery;
  if (!isPercentEncodedUtf8(url.slice(at + 1)))
    return { values: {}, violations: [{ path: "/query", message: "must be percent-encoded UTF-8" }] };
  const query = new URLSearchParams(url.slice(at + 1));
  const values: Record<string, string | string[]> = {};
  const violations: Violation[] = [];
  const known = parameters.filter((parameter) => parameter.in === "query");

  for (const name of new Set(query.keys())) {
    if (violations.length === maxViolations) break;
    const report = (message: string) => violations.push({ path: `/query/${escapePointer(name)}`, message });
    const parameter = known.find((each) => each.name === name);
    if (parameter === undefined) {
      const names = known.map((each) => each.name);
      report(`is not a parameter of this operation${didYouMeanOneOf(name, names, "parameters")}`);
      continue;
    }
    const { type } = parameter.schema;
    const given = query.getAll(name);
    values[name] = type === "array" ? given : (given[0] ?? "");
    if (given.length > 1 && type !== "array") report("must be given once");
    else if (given.includes("") && parameter.allowEmptyValue !== true) report("must not be empty");
    else if (type === "integer" && !given.every((value) => integerPattern.test(value)))
      report("must be an integer in decimal digits");
  }
  return { values, violations };
}

/** URLSearchParams replaces what it cannot decode with U+FFFD, which the client has not sent. */
function isPercentEncodedUtf8(text: string): boolean {
  try {
    if (text.includes("%")) decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
