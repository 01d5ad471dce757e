import type { OpenApiDocument } from "../../src/contract.ts";
import { isObject } from "../../src/validation/json-object.ts";

/**
 * A copy of the contract for responses of this version: without the properties and enum values that later versions may
 * add.
 */
export function strictContract(document: OpenApiDocument): OpenApiDocument {
  return strictCopy(document) as OpenApiDocument;
}

function strictCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strictCopy);
  if (!isObject(value)) return value;
  const { "x-extensible-enum": known, ...rest } = value;
  const copy = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, strictCopy(part)]));
  if (known !== undefined) return { ...copy, enum: known };
  const isClosed = isObject(value["properties"]) && value["additionalProperties"] === undefined;
  return isClosed ? { ...copy, additionalProperties: false } : copy;
}
