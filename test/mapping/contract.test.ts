import assert from "node:assert/strict";
import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { ArtifactSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  ListWorkflowsResponseSchema,
  RankDesignsResponseSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { loadContract } from "../../src/contract.ts";
import { rankingTranscoder } from "../../src/mapping/ranking.ts";
import { JsonWriter } from "../../src/mapping/json-writer.ts";
import { writeStructInSlices } from "../../src/mapping/struct-to-json.ts";
import { WireReader } from "../../src/mapping/wire-reader.ts";
import { strictContract } from "../support/strict-contract.ts";
import { artifactList, jsonOf, transcode, transcoders } from "./transcode.ts";

/** A value other than the default for a singular field. */
function oneOf(field: DescField): unknown {
  if (field.message !== undefined) return full(field.message);
  if (field.enum !== undefined) return 1;
  switch (field.scalar) {
    case ScalarType.STRING:
      // Only a file in the gateway's bucket has every property.
      return field === ArtifactSchema.field.uri ? "r2://foldforge/x" : "x";
    case ScalarType.BOOL:
      return true;
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return 1n;
    default:
      return 1;
  }
}

/** A message with a value in every field. */
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

const { schemas } = strictContract(loadContract().document).components as unknown as {
  schemas: Record<string, Schema>;
};

/** The paths that only the schema or only `json` has. */
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

describe("createMessageTranscoder, for the contract", () => {
  // Only the response to a submission has warnings, and only the basic view a name.
  for (const name of ["warnings", "view"]) Reflect.deleteProperty(schemas["Workflow"]!.properties!, name);

  for (const [name, json, desc] of [
    ["WorkflowList", transcoders.workflowList, ListWorkflowsResponseSchema],
    ["ArtifactList", artifactList(), WorkflowSchema],
    ["RankResponse", rankingTranscoder, RankDesignsResponseSchema],
  ] as const)
    it(`writes exactly the properties of the schema ${name}`, () => {
      const text = jsonOf(json, desc, full(desc));
      assert.deepEqual(differences({ $ref: `#/components/schemas/${name}` }, JSON.parse(text), name), []);
    });
});

describe("createMessageTranscoder, above the limits of every contract", () => {
  const times = (count: number, bytes: readonly number[]) =>
    Buffer.alloc(count * bytes.length, Buffer.from(bytes));

  it("throws for more than 1,000,000 values of one field", () => {
    for (const write of [transcoders.workflow.write, drain]) {
      const tooMany = times(1_000_001, [WorkflowSchema.field.stepStatuses.number * 8 + 2, 0]);
      assert.throws(() => transcode({ write }, tooMany), /more than 1000000/);
    }
  });

  it("throws for more than 262,144 entries of one Struct", () => {
    const struct = times(262_145, [0x0a, 0]);
    assert.throws(
      () => [...writeStructInSlices(new WireReader(struct), struct.length, new JsonWriter())],
      /262144/,
    );
  });

  function drain(reader: WireReader, end: number, out: JsonWriter) {
    for (const step of transcoders.workflow.writeInSlices(reader, end, out)) assert.equal(step, undefined);
  }
});
