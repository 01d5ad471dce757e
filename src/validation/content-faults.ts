import { maxFaults } from "../errors/refusal.ts";
import type { Fault } from "../errors/refusal.ts";
import { escapePointer } from "./json-pointer.ts";

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
  const keys: string[] = [];

  function tell(message: string, ...below: string[]): void {
    if (faults.length >= maxFaults) return;
    const path = ["/body", ...[...keys, ...below].map(escapePointer)].join("/");
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
    for (const [key, item] of Object.entries(value) as [string, unknown][]) {
      if (key === "__proto__") tell("is not allowed as a key", key);
      if (!key.isWellFormed()) tell("must have keys of well-formed Unicode");
      keys.push(key);
      visit(item);
      keys.pop();
    }
  }

  visit(body);
  return faults;
}
