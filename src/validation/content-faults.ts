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
export function contentFaults(body: unknown): Fault[] {
  return valueFaults(body, "/body", 1);
}

function valueFaults(value: unknown, path: string, depth: number): Fault[] {
  if (typeof value === "number" && !Number.isFinite(value)) {
    return [{ path, message: "must be within the range of a double" }];
  }
  if (typeof value === "string" && !value.isWellFormed())
    return [{ path, message: "must be well-formed Unicode" }];
  if (typeof value !== "object" || value === null) return [];
  if (depth > levelsAboveParams + maxParamsDepth) {
    return [{ path, message: `must not be nested deeper than ${maxParamsDepth} levels within params` }];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, index) => valueFaults(item, `${path}/${index}`, depth + 1));
  }
  return Object.entries(value).flatMap(([key, item]: [string, unknown]) => [
    ...keyFaults(key, path),
    ...valueFaults(item, `${path}/${escapePointer(key)}`, depth + 1),
  ]);
}

function keyFaults(key: string, path: string): Fault[] {
  if (key === "__proto__") return [{ path: `${path}/__proto__`, message: "is not allowed as a key" }];
  return key.isWellFormed() ? [] : [{ path, message: "must have keys of well-formed Unicode" }];
}
