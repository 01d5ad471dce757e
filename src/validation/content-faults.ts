import { maxFaults } from "../errors/refusal.ts";
import type { Fault } from "../errors/refusal.ts";
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
export function contentFaults(body: unknown): Fault[] {
  const faults: Fault[] = [];
  const keys: (string | number)[] = [];

  function tell(message: string, ...below: string[]): void {
    if (faults.length >= maxFaults) return;
    const path = ["/body", ...[...keys, ...below].map((key) => escapePointer(String(key)))].join("/");
    faults.push({ path, message });
  }

  function visit(value: unknown): void {
    if (faults.length >= maxFaults) return;
    if (typeof value === "number" && !Number.isFinite(value)) tell("must be within the range of a double");
    else if (typeof value === "string" && !value.isWellFormed()) tell("must be well-formed Unicode");
    if (typeof value !== "object" || value === null) return;
    if (keys.length >= levelsAboveParams + maxParamsDepth) {
      tell(`must not be nested deeper than ${maxParamsDepth} levels within params`);
      return;
    }
    if (Array.isArray(value)) return value.forEach(visitBelow);
    for (const key of keysOf(value)) {
      if (key === "__proto__") tell("is not allowed as a key", key);
      if (!key.isWellFormed()) tell("must have keys of well-formed Unicode");
      visitBelow((value as Record<string, unknown>)[key], key);
    }
  }

  function visitBelow(value: unknown, key: string | number): void {
    keys.push(key);
    visit(value);
    keys.pop();
  }

  visit(body);
  return faults;
}
