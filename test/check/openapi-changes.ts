import type { BreakingChange } from "./breaking-change.ts";
import { changeOf, compareOthers, compareValues } from "./comparison.ts";
import type { Comparison } from "./comparison.ts";
import { arrayOr, members, objectOr } from "./openapi-document.ts";
import type { JsonObject } from "./openapi-document.ts";
import { compareOperations, operationsOf } from "./operation-changes.ts";
import { compareSchemas } from "./schema-changes.ts";

/** The changes between two versions of the OpenAPI document that break clients. */
export function openApiChanges(before: JsonObject, after: JsonObject): BreakingChange[] {
  const changes = new Map<string, { loss: string; operations: Set<string> }>();
  const reached = new Set<string>();

  function comparisonFor(operation?: string): Comparison {
    function report(where: string, what: string, loss: string): void {
      const change = `${where}: ${what}`;
      const found = changes.get(change) ?? { loss, operations: new Set() };
      if (operation !== undefined) found.operations.add(operation);
      changes.set(change, found);
    }
    return { before, after, reached, visited: new Set(), report };
  }

  compareDocuments(comparisonFor());
  compareComponents(comparisonFor());
  const successors = operationsOf(after);
  for (const operation of operationsOf(before)) {
    const successor =
      successors.find(({ route }) => route === operation.route) ??
      successors.find(({ id }) => id === operation.id);
    compareOperations(comparisonFor(operation.id), operation, successor);
  }
  compareUnreached(comparisonFor());
  return [...changes].map(([change, { loss, operations }]) => ({
    source: "openapi/gateway.v1.yaml",
    change,
    loss: operations.size > 0 ? `${loss} (${[...operations].join(", ")})` : loss,
  }));
}

function compareDocuments(comparison: Comparison): void {
  const { before, after } = comparison;
  const where = "document";
  const urlsOf = ({ servers }: JsonObject) => arrayOr(servers).map((server) => objectOr(server)["url"]);
  const otherServer = "generated clients call another address";
  compareValues(comparison, where, "servers", urlsOf(before), urlsOf(after), otherServer);
  if (before["security"] !== undefined && after["security"] === undefined)
    comparison.report(
      where,
      changeOf("security", before["security"], undefined),
      "new operations require no token",
    );
  compareOthers(comparison, where, before, after, [
    "openapi",
    "info",
    "tags",
    "servers",
    "security",
    "paths",
    "components",
  ]);
}

/** Compares the names that generated clients have, and the security schemes. */
function compareComponents(comparison: Comparison): void {
  const schemas = sectionsOf("schemas", comparison);
  for (const name of Object.keys(schemas.before))
    if (!(name in schemas.after))
      comparison.report(`schema ${name}`, "is gone", "generated clients have another type");
  const schemes = sectionsOf("securitySchemes", comparison);
  for (const [name, scheme] of members(schemes.before)) {
    const where = `security scheme ${name}`;
    if (name in schemes.after) compareOthers(comparison, where, scheme, objectOr(schemes.after[name]), []);
    else comparison.report(where, "is gone", "generated clients have another name for it");
  }
}

/** Compares the schemas that no operation uses, as something that clients receive: the events of a stream. */
function compareUnreached(comparison: Comparison): void {
  const schemas = sectionsOf("schemas", comparison);
  for (const name of Object.keys(schemas.before)) {
    const schema = { $ref: `#/components/schemas/${name}` };
    if (!comparison.reached.has(name) && name in schemas.after)
      compareSchemas(comparison, { where: name, direction: "response" }, schema, schema);
  }
}

function sectionsOf(section: string, { before, after }: Comparison) {
  const [own, successor] = [objectOr(before["components"]), objectOr(after["components"])];
  return { before: objectOr(own[section]), after: objectOr(successor[section]) };
}
