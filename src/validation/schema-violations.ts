import type { Violation } from "../errors/http-error.ts";
import { didYouMean, didYouMeanOneOf } from "../nearest-name.ts";
import type { SchemaError } from "./bounded-keywords.ts";
import { isObject } from "./json-object.ts";
import { escapePointer, valueAt } from "./json-pointer.ts";
import { nullKeyword } from "./reject-null.ts";

/** The contract's `x-pattern-message` for each message of Ajv that recites a pattern. */
export function patternMessages(document: unknown): ReadonlyMap<string, string> {
  const messages = new Map<string, string>();

  function visit(value: unknown): void {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!isObject(value)) return;
    const { pattern, "x-pattern-message": message } = value;
    if (typeof pattern === "string" && typeof message === "string")
      messages.set(`must match pattern "${pattern}"`, message);
    Object.values(value).forEach(visit);
  }

  visit(document);
  return messages;
}

/** The violations for Ajv's errors in the `parts` of a request, in words for a client. */
export function violationsFromSchemaErrors(
  errors: readonly SchemaError[],
  messages: ReadonlyMap<string, string>,
  parts: unknown,
): Violation[] {
  const nulls = new Set(
    errors.filter(({ keyword }) => keyword === nullKeyword).map(({ instancePath }) => instancePath),
  );
  return (
    errors
      // An error of `if` only states that `then` has failed, whose own errors are listed too.
      .filter(({ keyword }) => keyword !== "if" && keyword !== nullKeyword)
      .map((error) => {
        const subject = error.params.isKey === true ? "has a key that " : "";
        const message = messages.get(messageOf(error)) ?? subject + inPlainWords(error, parts);
        if (error.keyword !== "type") return { path: pathOf(error), message };
        const hint = nulls.has(error.instancePath) ? leaveOut : otherSpelling(error, parts);
        return { path: pathOf(error), message: hint === undefined ? message : `${message}; ${hint}` };
      })
  );
}

const leaveOut = "leave it out instead of sending null";

/** What texts are values of a type in quotes. Python writes `True`. */
const quotedValues: ReadonlyMap<unknown, RegExp> = new Map([
  ["boolean", /^(?:true|false)$/i],
  ["integer", /^-?\d+$/],
  ["number", /^-?\d+(?:\.\d+)?$/],
]);

/** How to write a value of the body that is of another type than the contract's; undefined if that is not clear. */
function otherSpelling({ params: { type }, instancePath }: SchemaError, parts: unknown) {
  if (!instancePath.startsWith("/body/")) return undefined;
  const value = valueAt(parts, instancePath);
  if (type === "string" && (typeof value === "number" || typeof value === "boolean"))
    return "put it in quotes";
  if (typeof value !== "string") return undefined;
  if (type === "array") return "put it in brackets";
  return quotedValues.get(type)?.test(value) === true ? "leave out the quotes" : undefined;
}

/** A missing or unknown property has a path of its own, not that of the object around it. */
function pathOf({ instancePath, params }: SchemaError): string {
  const property = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  return property === undefined ? instancePath : `${instancePath}/${escapePointer(property)}`;
}

function messageOf({ message = "is not allowed" }: SchemaError): string {
  return message;
}

/** Ajv's message, reworded where it assumes knowledge of JSON schema, and without capitals. */
function inPlainWords(error: SchemaError, parts: unknown): string {
  const message = messageOf(error);
  const { allowedValues, missingProperty, additionalProperty, knownProperties = [] } = error.params;
  if (allowedValues !== undefined) {
    const value = valueAt(parts, error.instancePath);
    const names = allowedValues.map(String);
    return `must be one of ${names.join(", ")}${typeof value === "string" ? didYouMean(value, names) : ""}`;
  }
  if (missingProperty !== undefined) return "is required";
  if (additionalProperty !== undefined)
    return `is not a property of this object${didYouMeanOneOf(additionalProperty, knownProperties, "properties")}`;
  if (/^must NOT have fewer than 1 /.test(message)) return "must not be empty";
  if (message === "must be boolean") return "must be true or false";
  return message
    .replace(
      /^must NOT have duplicate items \(items ## (\d+) and (\d+) are identical\)$/,
      "must not repeat an item (items $1 and $2 are equal)",
    )
    .replace(/^must NOT /, "must not ")
    .replace(/^must be (\w+(?:,\w+)+)$/, (_, types: string) => `must be ${types.split(",").join(" or ")}`);
}
