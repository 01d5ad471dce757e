import type { Fault } from "../errors/refusal.ts";
import { isObject } from "./is-object.ts";
import { escapePointer } from "./json-pointer.ts";

/** Deepest nesting of tool params. protobuf decoders stop at 100 messages, two for each level of a Struct. */
const maxDepth = 32;

/**
 * What in a submission's params and labels would not arrive as it was sent: params nested too deep, numbers
 * beyond a double, text that is not Unicode, and the key that JavaScript objects cannot hold. `body` may
 * have any shape.
 */
export function paramsFaults(body: unknown): Fault[] {
  if (!isObject(body)) return [];
  const steps: unknown[] = Array.isArray(body["steps"]) ? body["steps"] : [];
  return [
    ...steps.flatMap((step, index) =>
      isObject(step) ? valueFaults(step["params"], `/body/steps/${index}/params`, 1) : [],
    ),
    ...(isObject(body["labels"])
      ? Object.keys(body["labels"]).flatMap((key) => keyFaults(key, "/body/labels"))
      : []),
  ];
}

function valueFaults(value: unknown, path: string, depth: number): Fault[] {
  if (typeof value === "number" && !Number.isFinite(value))
    return [{ path, message: "must be within the range of a double" }];
  if (typeof value === "string" && !value.isWellFormed())
    return [{ path, message: "must be well-formed Unicode" }];
  if (typeof value !== "object" || value === null) return [];
  if (depth > maxDepth) return [{ path, message: `must not be nested deeper than ${maxDepth} levels` }];
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
