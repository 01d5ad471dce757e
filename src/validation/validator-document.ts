import type { OpenApiDocument, Operation, PathItem } from "../contract.ts";
import { isObject } from "./is-object.ts";

/**
 * The part of the contract that says what one operation takes, in the dialect of express-openapi-validator:
 * its cost grows with the number of paths and components, it writes a parameter that spans slashes `{key}*`,
 * it knows HEAD only where it is declared, and it puts the choice of a nested discriminator on the body. What
 * the operation answers is left out unless `withResponses`.
 */
export function validatorDocument(
  document: OpenApiDocument,
  { template, method }: Operation,
  withResponses: boolean,
): OpenApiDocument {
  const { parameters, [method]: declared } = document.paths[template] ?? {};
  if (declared === undefined) throw new Error(`the contract has no ${method} on ${template}`);
  const operation = withResponses ? declared : { ...declared, responses: { default: {} } };
  const item = {
    ...(parameters === undefined ? {} : { parameters }),
    [method]: operation,
    ...(method === "get" ? { head: operation } : {}),
  } satisfies PathItem;
  const paths = { [template.replace("{key}", "{key}*")]: item };
  const components = reachableComponents(document, paths);
  const copy = structuredClone({ ...document, paths, components });
  for (const schema of Object.values(copy.components["schemas"] ?? {})) {
    if (isObject(schema)) resolveDiscriminator(schema);
    guardItems(schema);
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

/**
 * Looks at the items of an array only where there are not too many: the validator tells every fault, and would
 * go through all of them first, in time that grows with their square.
 */
function guardItems(value: unknown): void {
  if (Array.isArray(value)) return value.forEach(guardItems);
  if (!isObject(value)) return;
  Object.values(value).forEach(guardItems);
  const { maxItems, items, uniqueItems = false } = value;
  if (maxItems === undefined || items === undefined) return;
  value["if"] = { maxItems };
  value["then"] = { items, uniqueItems };
  delete value["items"];
  delete value["uniqueItems"];
}

/** The components that `root` refers to, directly or through others. */
function reachableComponents({ components }: OpenApiDocument, root: unknown): OpenApiDocument["components"] {
  const reached: OpenApiDocument["components"] = { parameters: {} };

  function visit(value: unknown): void {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!isObject(value)) return;
    const [, kind, name] = /^#\/components\/([^/]+)\/([^/]+)$/.exec(String(value["$ref"])) ?? [];
    if (kind !== undefined && name !== undefined && reached[kind]?.[name] === undefined) {
      const component = components[kind]?.[name];
      reached[kind] = { ...reached[kind], [name]: component };
      visit(component);
    }
    Object.values(value).forEach(visit);
  }

  visit(root);
  return reached;
}
