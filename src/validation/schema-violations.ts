import type { Violation } from "../errors/http-error.ts";
import { escapePointer } from "./json-pointer.ts";
import type { SchemaError } from "./request-checks.ts";

/** The keyword that only says that another fault is there. */
const echo = "if";

/** What schemas have against a request, in words for a client; `saysPattern` gives the contract's own. */
export function violationsFromSchema(
  faults: readonly SchemaError[],
  saysPattern: ReadonlyMap<string, string>,
): Violation[] {
  return faults
    .filter(({ keyword }) => keyword !== echo)
    .map((fault) => ({ path: pathOf(fault), message: saysPattern.get(messageOf(fault)) ?? inWords(fault) }));
}

/** A property that is missing, or should be, is the fault's place, not the object around it. */
function pathOf({ instancePath, params }: SchemaError): string {
  const property = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  return property === undefined ? instancePath : `${instancePath}/${escapePointer(property)}`;
}

function messageOf({ message = "is not allowed" }: SchemaError): string {
  return message;
}

/** The schema's words, where they need knowledge of JSON schema to be understood. */
function inWords(fault: SchemaError): string {
  const message = messageOf(fault);
  const { allowedValues } = fault.params;
  if (allowedValues !== undefined) return `${message}: ${allowedValues.join(", ")}`;
  if (message === "must NOT have additional properties") return "is not a property of this object";
  if (/^must NOT have fewer than 1 /.test(message)) return "must not be empty";
  if (message === "must be boolean") return "must be true or false";
  return message.replace(
    /^must be (\w+(?:,\w+)+)$/,
    (_, types: string) => `must be ${types.split(",").join(" or ")}`,
  );
}
