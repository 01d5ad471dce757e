import assert from "node:assert/strict";
import { createFields } from "../../src/docs/fields.ts";
import type { Referable, Schema } from "../../src/docs/document.ts";
import { html, htmlDocument } from "../../src/docs/html.ts";
import type { Insertable } from "../../src/docs/html.ts";

const schemas: Record<string, Schema> = {
  Name: { type: "string", minLength: 1, description: "A name." },
  Point: {
    type: "object",
    required: ["x"],
    properties: {
      x: { type: "number" },
      near: { type: "array", items: { $ref: "#/components/schemas/Leaf" } },
    },
  },
  Leaf: { type: "object", properties: { size: { type: "integer", format: "int32" } } },
};
const fields = createFields({
  info: { title: "", version: "", summary: "", description: "" },
  schemas,
  groups: [],
  operatorGroups: [],
  resolve: (value) => ("$ref" in value ? (schemas[value.$ref.split("/").at(-1)!] as never) : value),
});
/** Without tags and with single spaces. */
const textOf = (value: Insertable) =>
  htmlDocument(html`${value}`)
    .replace("<!doctype html>", "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
const to = (name: string) => ({ $ref: `#/components/schemas/${name}` });

describe("createFields", () => {
  const types: [schema: Referable<Schema>, type: string][] = [
    [{ type: "string" }, "string"],
    [{ type: "integer", format: "uint32" }, "integer (uint32)"],
    [{ type: ["string", "boolean"] }, "string or boolean"],
    [{ "x-constraints": { type: ["integer", "string"] } }, "integer or string"],
    [{}, "any"],
    [to("Name"), "string"],
    [to("Point"), "Point"],
    [{ type: "array", items: to("Point") }, "list of Point"],
    [{ type: "object", additionalProperties: { type: "number" } }, "map of number"],
    [{ type: "object", additionalProperties: true }, "object"],
  ];
  for (const [schema, type] of types)
    it(`says ${type} of ${JSON.stringify(schema)}`, () => {
      assert.equal(textOf(fields.typeOf(schema)), type);
    });

  const limits: [schema: Schema, text: string][] = [
    [{ minimum: 1, maximum: 4096 }, "1 to 4,096"],
    [{ maximum: 0 }, "at most 0"],
    [{ minimum: 0.1234, maximum: 4294967295 }, "0.1234 to 4,294,967,295"],
    [{ minLength: 1 }, "at least 1 character"],
    [{ minItems: 2, maxItems: 2, uniqueItems: true }, "2 items · no duplicates"],
    [{ maxProperties: 64 }, "at most 64 properties"],
    [{ enum: ["A", "B"], default: "A" }, "one of A , B · default A"],
    [{ "x-extensible-enum": ["A"] }, "known values: A"],
    [{ pattern: "^a$" }, "matches ^a$"],
    [{ pattern: "^a$", "x-pattern-message": "must be an a" }, "must be an a"],
    [{ "x-constraints": { pattern: "^a$" } }, "matches ^a$"],
    [{ items: { maxLength: 3 } }, "each: at most 3 characters"],
    [{}, ""],
  ];
  for (const [schema, text] of limits)
    it(`says ${JSON.stringify(text)} of ${JSON.stringify(schema)}`, () => {
      const listed = textOf(fields.list([{ name: "f", required: false, schema: { type: "t", ...schema } }]));
      assert.equal(listed, `f t ${text}`.trim());
    });

  it("lists a field with its place, its description and whether it is required", () => {
    const field = { name: "id", required: true, place: ", in the path", schema: to("Name") };
    assert.equal(
      textOf(fields.list([field])),
      "id string, in the path required A name. at least 1 character",
    );
    assert.match(textOf(fields.list([{ ...field, description: "Another." }])), /required Another\. at least/);
  });

  it("shows the fields of the objects in an object", () => {
    const text = textOf(fields.tree(to("Point")));
    assert.equal(text, "x number required near list of Leaf Fields of each item size integer (int32)");
  });
});
