import { maxViolations } from "../errors/http-error.ts";
import type { Violation } from "../errors/http-error.ts";
import { keysOf } from "./json-object.ts";
import { escapePointer } from "./json-pointer.ts";

/** Deepest nesting of tool params. protobuf decoders stop at 100 messages, and a level of a Struct takes two. */
const maxParamsDepth = 32;

/** Levels of a submission above the params of a step: the body, its steps, the step. */
const levelsAboveParams = 3;

/**
 * The values that would change on the way to the orchestrator: params nested too deep, numbers outside the range of a
 * double, strings that are not well-formed Unicode, and the key `__proto__`. `body` may have any shape. Returns at most
 * `maxViolations`.
 */
export function contentViolations(body: unknown): Violation[] {
  const violations: Violation[] = [];
  /** The key at each level above the visited value. Entries at and below its level are stale. */
  const keys: (string | number)[] = [];

  function report(message: string, path: readonly (string | number)[]): void {
    if (violations.length >= maxViolations) return;
    violations.push({ path: ["/body", ...path.map((key) => escapePointer(String(key)))].join("/"), message });
  }

  function visit(value: unknown, level: number): void {
    if (typeof value === "number") {
      if (!Number.isFinite(value)) report("must be within the range of a double", keys.slice(0, level));
    } else if (typeof value === "string") {
      if (!value.isWellFormed()) report("must be well-formed Unicode", keys.slice(0, level));
    } else if (typeof value === "object" && value !== null) visitChildren(value, level);
  }

  function visitChildren(values: object, level: number): void {
    if (violations.length >= maxViolations) return;
    if (level >= levelsAboveParams + maxParamsDepth) {
      report(`must not be nested deeper than ${maxParamsDepth} levels within params`, keys.slice(0, level));
    } else if (Array.isArray(values)) {
      for (let index = 0; index < values.length; index += 1) {
        keys[level] = index;
        visit(values[index], level + 1);
      }
    } else {
      for (const key of keysOf(values)) {
        if (key === "__proto__") report("is not allowed as a key", [...keys.slice(0, level), key]);
        if (!key.isWellFormed()) report("must have keys of well-formed Unicode", keys.slice(0, level));
        keys[level] = key;
        visit((values as Record<string, unknown>)[key], level + 1);
      }
    }
  }

  visit(body, 0);
  return violations;
}
