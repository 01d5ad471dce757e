import assert from "node:assert/strict";
import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import {
  ListWorkflowsResponseSchema,
  RankDesignsResponseSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { loadContract } from "../../src/contract.ts";
import { rankingJson } from "../../src/mapping/ranking.ts";
import { JsonText } from "../../src/mapping/json-text.ts";
import { writeStructInSteps } from "../../src/mapping/struct.ts";
import { WireReader } from "../../src/mapping/wire.ts";
import { workflowJson, workflowListJson } from "../../src/mapping/workflow.ts";
import { jsonOf, written } from "./written.ts";

/** A value for a field that holds one: not that of an absent one. */
function oneOf(field: DescField): unknown {
  if (field.message !== undefined) return full(field.message);
  if (field.enum !== undefined) return 1;
  switch (field.scalar) {
    case ScalarType.STRING:
      return "x";
    case ScalarType.BOOL:
      return true;
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return 1n;
    default:
      return 1;
  }
}

/** The fields of a message, each with a value. */
function full(desc: DescMessage): Record<string, unknown> {
  if (desc.typeName === StructSchema.typeName) return {};
  const valueOf = (field: DescField) => {
    if (field.fieldKind === "list") return [oneOf(field)];
    return field.fieldKind === "map" ? { key: oneOf(field) } : oneOf(field);
  };
  return Object.fromEntries(desc.fields.map((field) => [field.localName, valueOf(field)]));
}

interface Schema {
  readonly $ref?: string;
  readonly properties?: Record<string, Schema>;
  readonly items?: Schema;
  readonly additionalProperties?: unknown;
}

const { schemas } = loadContract().document.components as unknown as { schemas: Record<string, Schema> };

/** What of the schema is not in `json`, or in `json` and not in the schema, by its path. */
function differences(schema: Schema, json: unknown, path: string): string[] {
  const [, name = ""] = /^#\/components\/schemas\/(\w+)$/.exec(schema.$ref ?? "") ?? [];
  if (schema.$ref !== undefined) return differences(schemas[name] ?? assert.fail(schema.$ref), json, path);
  if (schema.items !== undefined) {
    assert.ok(Array.isArray(json) && json.length > 0, path);
    return differences(schema.items, json[0], `${path}[]`);
  }
  if (schema.properties === undefined || schema.additionalProperties !== false) return [];
  const properties = Object.entries(schema.properties);
  const object = json as Record<string, unknown>;
  return [
    ...Object.keys(object)
      .filter((key) => schema.properties?.[key] === undefined)
      .map((key) => `${path}.${key} is in no schema`),
    ...properties.flatMap(([key, property]) =>
      key in object
        ? differences(property, object[key], `${path}.${key}`)
        : [`${path}.${key} is not written`],
    ),
  ];
}

describe("the JSON of messages", () => {
  for (const [name, json, desc] of [
    ["WorkflowList", workflowListJson, ListWorkflowsResponseSchema],
    ["Ranking", rankingJson, RankDesignsResponseSchema],
  ] as const)
    it(`has every property that the contract has of a ${name}, and no other`, () => {
      const text = jsonOf(json, desc, full(desc));
      assert.deepEqual(differences({ $ref: `#/components/schemas/${name}` }, JSON.parse(text), name), []);
    });
});

describe("the JSON of messages that hold more than any contract allows", () => {
  const times = (count: number, bytes: readonly number[]) =>
    Buffer.alloc(count * bytes.length, Buffer.from(bytes));

  it("is an error beyond 1,000,000 values of one field", () => {
    for (const write of [workflowJson.write, drain]) {
      const tooMany = times(1_000_001, [WorkflowSchema.field.stepStatuses.number * 8 + 2, 0]);
      assert.throws(() => written({ write }, tooMany), /more than 1000000/);
    }
  });

  it("is an error beyond 262,144 entries of one Struct", () => {
    const struct = times(262_145, [0x0a, 0]);
    assert.throws(
      () => [...writeStructInSteps(new WireReader(struct), struct.length, new JsonText())],
      /262144/,
    );
  });

  function drain(reader: WireReader, end: number, out: JsonText) {
    for (const step of workflowJson.writeInSteps(reader, end, out)) assert.equal(step, undefined);
  }
});
