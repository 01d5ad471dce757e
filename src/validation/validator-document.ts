import type { OpenApiDocument } from "../contract.ts";
import { isObject } from "./is-object.ts";

/**
 * A copy of the contract in the dialect of express-openapi-validator, which puts the choice of a nested
 * discriminator on the body.
 */
export function validatorDocument(document: OpenApiDocument): OpenApiDocument {
  const copy = structuredClone(document);
  for (const schema of Object.values(copy.components["schemas"] ?? {})) {
    if (isObject(schema)) resolveDiscriminator(schema);
  }
  return copy;
}

/**
 * Turns a discriminator with its `oneOf` into one condition for each of its values, which means the same and
 * reports the faults of the schema that was chosen, not of those that were not.
 */
function resolveDiscriminator(schema: Record<string, unknown>): void {
  const { discriminator } = schema;
  if (!isObject(discriminator) || !isObject(discriminator["mapping"])) return;
  const property = String(discriminator["propertyName"]);
  schema["allOf"] = Object.entries(discriminator["mapping"]).map(([value, $ref]) => ({
    if: { required: [property], properties: { [property]: { const: value } } },
    then: { $ref },
  }));
  delete schema["discriminator"];
  delete schema["oneOf"];
}
