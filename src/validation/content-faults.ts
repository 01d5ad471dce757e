import type { Fault } from "../errors/refusal.ts";
import { escapePointer } from "./json-pointer.ts";

/** Deepest nesting of tool params. protobuf decoders stop at 100 messages, two for each level of a Struct. */
const maxParamsDepth = 32;

/** Levels of a submission above the params of a step: the body, its steps, the step. */
const levelsAboveParams = 3;

/**
 * What in a submission would not arrive as it was sent: params nested too deep, numbers beyond a double, text
 * that is not Unicode, and the key that JavaScript objects cannot hold. `body` may have any shape.
 */
export function contentFaults(body: unknown): Iterable<Fault> {
  return valueFaults(body, "/body", 1);
}

function* valueFaults(value: unknown, path: string, depth: number): Generator<Fault> {
  if (typeof value === "number" && !Number.isFinite(value)) {
    yield { path, message: "must be within the range of a double" };
  } else if (typeof value === "string" && !value.isWellFormed()) {
    yield { path, message: "must be well-formed Unicode" };
  }
  if (typeof value !== "object" || value === null) return;
  if (depth > levelsAboveParams + maxParamsDepth) {
    yield { path, message: `must not be nested deeper than ${maxParamsDepth} levels within params` };
    return;
  }
  for (const [key, item] of Object.entries(value) as [string, unknown][]) {
    if (key === "__proto__") yield { path: `${path}/__proto__`, message: "is not allowed as a key" };
    if (!key.isWellFormed()) yield { path, message: "must have keys of well-formed Unicode" };
    yield* valueFaults(item, `${path}/${escapePointer(key)}`, depth + 1);
  }
}
