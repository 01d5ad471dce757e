import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { escapePointer } from "./json-pointer.ts";
import { keysOf } from "./keys-of.ts";

/** Deepest nesting of tool params. protobuf decoders stop at 100 messages, two for each level of a Struct. */
const maxParamsDepth = 32;

/** Levels of a submission above the params of a step: the body, its steps, the step. */
const levelsAboveParams = 3;

/**
 * What in a submission would not arrive as it was sent: params nested too deep, numbers beyond a double, text
 * that is not Unicode, and the key that JavaScript objects cannot hold. `body` may have any shape. No more is
 * told than an answer lists.
 */
export function contentViolations(body: unknown): Violation[] {
  const faults: Violation[] = [];
  /** The key of each level above the value that is looked at; what is left of lower levels is of no meaning. */
  const keys: (string | number)[] = [];

  function tell(message: string, path: readonly (string | number)[]): void {
    if (faults.length >= maxViolations) return;
    faults.push({ path: ["/body", ...path.map((key) => escapePointer(String(key)))].join("/"), message });
  }

  function visit(value: unknown, level: number): void {
    if (typeof value === "number") {
      if (!Number.isFinite(value)) tell("must be within the range of a double", keys.slice(0, level));
    } else if (typeof value === "string") {
      if (!value.isWellFormed()) tell("must be well-formed Unicode", keys.slice(0, level));
    } else if (typeof value === "object" && value !== null) visitAll(value, level);
  }

  function visitAll(values: object, level: number): void {
    if (faults.length >= maxViolations) return;
    if (level >= levelsAboveParams + maxParamsDepth) {
      tell(`must not be nested deeper than ${maxParamsDepth} levels within params`, keys.slice(0, level));
    } else if (Array.isArray(values)) {
      for (let index = 0; index < values.length; index += 1) {
        keys[level] = index;
        visit(values[index], level + 1);
      }
    } else {
      for (const key of keysOf(values)) {
        if (key === "__proto__") tell("is not allowed as a key", [...keys.slice(0, level), key]);
        if (!key.isWellFormed()) tell("must have keys of well-formed Unicode", keys.slice(0, level));
        keys[level] = key;
        visit((values as Record<string, unknown>)[key], level + 1);
      }
    }
  }

  visit(body, 0);
  return faults;
}
