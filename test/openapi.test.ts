import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import { parse } from "yaml";
import { codeMeaning } from "../src/errors/codes.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const document: JsonObject = parse(readFileSync("openapi/gateway.v1.yaml", "utf8"));

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** All schemas of the document with their paths. Examples are data, not schemas. */
function schemas(value: Json, at: string): [at: string, schema: JsonObject][] {
  if (Array.isArray(value)) return value.flatMap((item, index) => schemas(item, `${at}/${index}`));
  if (!isObject(value)) return [];
  const own: [string, JsonObject][] =
    value["type"] === undefined || at.includes("/securitySchemes/") ? [] : [[at, value]];
  const parts = Object.entries(value).filter(([key]) => !["example", "examples"].includes(key));
  return [...own, ...parts.flatMap(([key, part]) => schemas(part, `${at}/${key}`))];
}

const all = schemas(document, "#");
const has = (schema: JsonObject, type: string) => [schema["type"]].flat().includes(type);
const missing = (applies: (schema: JsonObject) => boolean, holds: (schema: JsonObject) => boolean) =>
  all.filter(([, schema]) => applies(schema) && !holds(schema)).map(([at]) => at);

describe("openapi/gateway.v1.yaml", () => {
  it("has the version of the package", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    assert.equal((document["info"] as JsonObject)["version"], version);
  });

  it("has more than 100 schemas", () => {
    assert.ok(all.length > 100);
  });

  it("bounds the length of every string", () => {
    const isBounded = (schema: JsonObject) =>
      ["maxLength", "enum", "const", "contentSchema"].some((key) => key in schema) ||
      schema["format"] === "binary";
    assert.deepEqual(
      missing((schema) => has(schema, "string"), isBounded),
      [],
    );
  });

  it("bounds the length of every array", () => {
    assert.deepEqual(
      missing(
        (schema) => has(schema, "array"),
        (schema) => "maxItems" in schema,
      ),
      [],
    );
  });

  it("closes every object or bounds its size", () => {
    const isDecided = (schema: JsonObject) =>
      schema["additionalProperties"] === false || "maxProperties" in schema || "oneOf" in schema;
    assert.deepEqual(
      missing((schema) => has(schema, "object"), isDecided),
      [],
    );
  });

  it("bounds every integer from below, except those of 64 bits", () => {
    assert.deepEqual(
      missing(
        (schema) => has(schema, "integer"),
        // A JSON parser that uses doubles would round the bound to another value.
        (schema) => "minimum" in schema || schema["format"] === "int64",
      ),
      [],
    );
  });

  it("describes every property", () => {
    const undescribed = all.flatMap(([at, { properties }]) =>
      Object.entries(isObject(properties) ? properties : {})
        .filter(([, property]) => isObject(property) && !("$ref" in property) && !("description" in property))
        .map(([name]) => `${at}/${name}`),
    );
    assert.deepEqual(undescribed, []);
  });

  it("has a message for every pattern", () => {
    assert.deepEqual(
      missing(
        (schema) => "pattern" in schema,
        (schema) => "x-pattern-message" in schema,
      ),
      [],
    );
  });

  it("has an example for every request and response body", () => {
    const media: string[] = [];
    const visit = (value: Json, at: string): void => {
      if (Array.isArray(value)) return value.forEach((item, index) => visit(item, `${at}/${index}`));
      if (!isObject(value)) return;
      for (const [type, content] of Object.entries(isObject(value["content"]) ? value["content"] : {})) {
        if (!isObject(content) || !isObject(content["examples"])) media.push(`${at}/${type}`);
      }
      for (const [key, part] of Object.entries(value)) visit(part, `${at}/${key}`);
    };
    visit(document, "#");
    assert.deepEqual(media, []);
  });

  it("has an example of every code of an error body", () => {
    const codes = Object.values(Code).filter((value): value is Code => typeof value === "number");
    const sent = new Set(codes.map((value) => codeMeaning(value).name));
    const shown = new Set(JSON.stringify(document).match(/(?<="code":")[A-Z_]+/g));
    assert.deepEqual(
      [...sent].filter((name) => !shown.has(name)),
      [],
    );
  });
});
