import type { Violation } from "../errors/http-error.ts";
import { didYouMean } from "../nearest-name.ts";

/** The maximum number of steps that a message names. */
const maxNamed = 20;

/** The maximum number of ids that are compared: the contract's `maxItems` of `steps`. */
const maxCompared = 256;

/** The violation of a query whose `step` is not one of `known`; none if it is. */
export function stepViolations(step: string, known: ReadonlySet<string>): Violation[] {
  if (known.has(step)) return [];
  const ids = [...known];
  const more = ids.length > maxNamed ? ` and ${ids.length - maxNamed} more` : "";
  const named = ids.length === 0 ? "none" : `${ids.slice(0, maxNamed).join(", ")}${more}`;
  const message = `must be one of the steps of this workflow: ${named}${didYouMean(step, ids.slice(0, maxCompared))}`;
  return [{ path: "/query/step", message }];
}
