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

/** All schemas below `value` with their paths, those that it refers to, too. Examples are data, not schemas. */
function schemas(value: Json, at: string, found = new Map<string, JsonObject>()): Map<string, JsonObject> {
  if (Array.isArray(value)) value.forEach((item, index) => schemas(item, `${at}/${index}`, found));
  if (!isObject(value)) return found;
  const { $ref } = value;
  if (typeof $ref === "string") return found.has($ref) ? found : schemas(valueAt($ref), $ref, found);
  if (value["type"] !== undefined && !at.includes("/securitySchemes/")) found.set(at, value);
  for (const [key, part] of Object.entries(value)) {
    if (!["example", "examples"].includes(key)) schemas(part, `${at}/${key}`, found);
  }
  return found;
}

function valueAt(ref: string): Json {
  return ref
    .split("/")
    .slice(1)
    .reduce<Json>((value, key) => (value as JsonObject)[key]!, document);
}

const operations = Object.entries(document["paths"] as Record<string, JsonObject>).flatMap(
  ([template, { parameters = [], ...methods }]) =>
    Object.entries(methods as Record<string, JsonObject>).map(([method, operation]) => ({
      at: `#/paths/${template}/${method}`,
      request: [parameters, operation["parameters"] ?? [], operation["requestBody"] ?? null],
      responses: operation["responses"] ?? null,
    })),
);
const mergedFrom = (parts: readonly Map<string, JsonObject>[]) => [
  ...new Map(parts.flatMap((part) => [...part])),
];
const requests = mergedFrom(operations.map(({ at, request }) => schemas(request, at)));
const responses = mergedFrom(operations.map(({ at, responses: all }) => schemas(all, at)));
const has = (schema: JsonObject, type: string) => [schema["type"]].flat().includes(type);
const missing = (
  applies: (schema: JsonObject) => boolean,
  holds: (schema: JsonObject) => boolean,
  among = requests,
) => among.filter(([, schema]) => applies(schema) && !holds(schema)).map(([at]) => at);

describe("openapi/gateway.v1.yaml", () => {
  it("has the version of the package", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    assert.equal((document["info"] as JsonObject)["version"], version);
  });

  it("has more than 50 schemas of requests, and of responses", () => {
    assert.ok(requests.length > 50 && responses.length > 50, `${requests.length}, ${responses.length}`);
  });

  it("leaves responses open: without bounds, closed objects and closed enums", () => {
    const closing = [
      "enum",
      "const",
      "pattern",
      "minLength",
      "maxLength",
      "minItems",
      "maxItems",
      "uniqueItems",
    ].concat(["minimum", "maximum", "minProperties", "maxProperties", "x-constraints"]);
    const isOpen = (schema: JsonObject) =>
      schema["additionalProperties"] !== false && !closing.some((keyword) => keyword in schema);
    assert.deepEqual(
      missing(() => true, isOpen, responses),
      [],
    );
  });

  it("gives every schema and property one type, or none, for code generators", () => {
    const visible = (value: Json): Json[] => {
      if (Array.isArray(value)) return value.flatMap(visible);
      if (!isObject(value)) return [];
      const rest = { ...value };
      delete rest["x-constraints"];
      return [rest, ...Object.values(rest).flatMap(visible)];
    };
    const unusable = visible(document).filter((schema) => {
      if (!isObject(schema)) return false;
      const keywords = [
        "oneOf",
        "anyOf",
        "allOf",
        "not",
        "if",
        "discriminator",
        "uniqueItems",
        "propertyNames",
      ];
      return Array.isArray(schema["type"]) || keywords.some((keyword) => keyword in schema);
    });
    assert.deepEqual(unusable, []);
  });

  it("has patterns of the portable subset only (JSON Schema Core §6.4), for code generators", () => {
    const isPortable = ({ pattern }: JsonObject) =>
      typeof pattern === "string" && /^\^(?:\[[^\\\]]+\][+*]?)+\$$/.test(pattern);
    assert.deepEqual(
      missing((schema) => "pattern" in schema, isPortable).filter((at) => !at.includes("x-constraints")),
      [],
    );
  });

  it("refers to every schema, except that of the events, which a stream has as text", () => {
    const text = JSON.stringify(document);
    const names = Object.keys((document["components"] as Record<string, JsonObject>)["schemas"]!);
    const unused = names.filter((name) => !text.includes(`"#/components/schemas/${name}"`));
    assert.deepEqual(unused, ["WorkflowEvent"]);
  });

  it("has a default response for every operation", () => {
    const without = operations.filter(({ responses: all }) => !isObject(all) || !("default" in all));
    assert.deepEqual(
      without.map(({ at }) => at),
      [],
    );
  });

  it("bounds the length of every string", () => {
    const isBounded = (schema: JsonObject) =>
      ["maxLength", "enum", "const"].some((key) => key in schema) || schema["format"] === "binary";
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
      schema["additionalProperties"] === false || "maxProperties" in schema;
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
    const undescribed = [...requests, ...responses].flatMap(([at, { properties }]) =>
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

  it("lists the codes of error bodies", () => {
    const { properties } = valueAt("#/components/schemas/Error") as {
      properties: Record<string, JsonObject>;
    };
    const codes = Object.values(Code).filter((value): value is Code => typeof value === "number");
    const sent = new Set<string>(codes.map((value) => codeMeaning(value).name)).add("INSUFFICIENT_CREDITS");
    assert.deepEqual([...(properties["code"]!["x-extensible-enum"] as string[])].sort(), [...sent].sort());
  });

  it("has an example of every code of an error body", () => {
    const codes = Object.values(Code).filter((value): value is Code => typeof value === "number");
    const sent = new Set<string>(codes.map((value) => codeMeaning(value).name)).add("INSUFFICIENT_CREDITS");
    const shown = new Set(JSON.stringify(document).match(/(?<="code":")[A-Z_]+/g));
    assert.deepEqual(
      [...sent].filter((name) => !shown.has(name)),
      [],
    );
  });
});
