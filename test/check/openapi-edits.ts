import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { openApiChanges } from "./openapi-changes.ts";

export const contract = parse(readFileSync("openapi/gateway.v1.yaml", "utf8"));

type Document = typeof contract;

/** Changes a copy of the OpenAPI document. */
export type Edit = (document: Document) => void;

/** Has a test for each change: what it does, and all that it breaks. A third edit is of the document before, too. */
export function itReports(
  rows: Readonly<Record<string, readonly [edit: Edit, breaks: readonly string[], before?: Edit]>>,
): void {
  for (const [change, [edit, breaks, before]] of Object.entries(rows))
    it(`reports ${change}`, () => assert.deepEqual(linesOf(edit, before), breaks));
}

/** Has a test for each change that breaks no client. A second edit is of the document before, too. */
export function itAllows(rows: Readonly<Record<string, readonly [edit: Edit, before?: Edit]>>): void {
  for (const [change, [edit, before]] of Object.entries(rows))
    it(`allows ${change}`, () => assert.deepEqual(linesOf(edit, before), []));
}

function linesOf(edit: Edit, prepare: Edit = () => {}): string[] {
  const before = structuredClone(contract);
  prepare(before);
  const after = structuredClone(before);
  edit(after);
  return openApiChanges(before, after).map(({ change, loss }) => `${change}; ${loss}`);
}

export const schemas = ({ components }: Document) => components.schemas;

/** The properties of a schema. */
export const properties = (document: Document, schema: string) => schemas(document)[schema].properties;

/** The operation `submitWorkflow`. */
export const submit = ({ paths }: Document) => paths["/v1/workflows"].post;

/** The operation `listWorkflows`. */
export const list = ({ paths }: Document) => paths["/v1/workflows"].get;

/** A parameter of `listWorkflows`. */
export const parameter = (document: Document, name: string) =>
  list(document).parameters.find((known: { name: string }) => known.name === name);

export function rename(parent: Record<string, unknown>, from: string, to: string): void {
  parent[to] = parent[from];
  Reflect.deleteProperty(parent, from);
}

/** Gives a schema another name, also where it is used. */
export function renameSchema(document: Document, from: string, to: string): void {
  function refer(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    const node: { $ref?: string } = value;
    if (node.$ref === `#/components/schemas/${from}`) node.$ref = `#/components/schemas/${to}`;
    Object.values(value).forEach(refer);
  }
  rename(schemas(document), from, to);
  refer(document);
}

/** `values` without `value`, which they must contain. */
export function without(values: unknown[], value: unknown): unknown[] {
  assert.ok(values.includes(value));
  return values.filter((other) => other !== value);
}
