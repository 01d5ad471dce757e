import { ScalarType } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";
import { file_foldforge_common_v1_common } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { file_foldforge_orchestrator_v1_orchestrator } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** A JSON schema of the OpenAPI document, as far as it is compared. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly oneOf?: readonly Schema[];
  /** Full name of the message or enum that the schema mirrors. */
  readonly "x-protobuf"?: string;
}

/** An OpenAPI document, as far as it is compared. */
interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Where the two contracts differ on purpose. */
const intended = {
  /** Fields that HTTP carries elsewhere: the spec is flattened, the event id is the SSE id. */
  fieldsNotInJson: [
    "foldforge.orchestrator.v1.Workflow.spec",
    "foldforge.orchestrator.v1.WorkflowEvent.event_id",
  ],
  /** Properties that come out of the flattened spec. */
  propertiesNotInProto: ["Workflow.name", "Workflow.steps", "Workflow.labels"],
  /** Messages that no JSON shape mirrors: requests and answers that HTTP spells as parameters, headers and bodies. */
  messagesNotInJson:
    /\.(ProgressEvent|\w+Request|AuthenticateApiKeyResponse|ConsumeQuotaResponse|GetBalanceResponse|ListLedgerResponse|LedgerEntry|GrantCreditsResponse|RankFilter|RankedDesign|RankDesignsResponse)$/,
  /** Shapes that only HTTP has. */
  schemasNotInProto: ["Health", "Ready", "NotReady", "Error", "Fault", "ServerSentEvent", /Params$/],
};

/** Every difference between the OpenAPI document and the protobuf contract that is not intended, a line each. */
export function contractDrift(document: Document): string[] {
  const { schemas } = document.components;
  const files = [file_foldforge_common_v1_common, file_foldforge_orchestrator_v1_orchestrator];
  const messages = new Map(
    files.flatMap((file) => file.messages).map((message) => [message.typeName, message]),
  );
  const enums = new Map(
    files.flatMap((file) => file.enums).map((description) => [description.typeName, description]),
  );
  const mirrored = new Set(Object.values(schemas).map((schema) => schema["x-protobuf"]));

  return [
    ...Object.entries(schemas).flatMap(([name, schema]) => {
      const typeName = schema["x-protobuf"];
      if (typeName === undefined) return unmirroredDrift(name, schema);
      const [message, description] = [messages.get(typeName), enums.get(typeName)];
      if (description !== undefined) return enumDrift(name, schema, description);
      return message === undefined
        ? [`${name} mirrors ${typeName}, which does not exist`]
        : messageDrift(schemas, name, schema, message);
    }),
    ...[...messages.keys(), ...enums.keys()]
      .filter((typeName) => !mirrored.has(typeName) && !intended.messagesNotInJson.test(typeName))
      .map((typeName) => `no schema mirrors ${typeName}`),
  ];
}

/** A closed object must say which message it mirrors, or be known as HTTP's own. */
function unmirroredDrift(name: string, { properties }: Schema): string[] {
  const isKnown = intended.schemasNotInProto.some((own) =>
    typeof own === "string" ? own === name : own.test(name),
  );
  return properties === undefined || isKnown
    ? []
    : [`${name} says no x-protobuf and is not one of HTTP's own`];
}

function enumDrift(name: string, schema: Schema, description: DescEnum): string[] {
  const expected = description.values
    .filter(({ number }) => number !== 0)
    .map((value) => value.name.slice(description.sharedPrefix?.length ?? 0));
  const actual = schema.enum ?? [];
  return [
    ...expected.filter((value) => !actual.includes(value)).map((value) => `${name} lacks the value ${value}`),
    ...actual
      .filter((value) => !expected.includes(value))
      .map((value) => `${name} has ${value}, which ${description.typeName} lacks`),
  ];
}

function messageDrift(
  schemas: Document["components"]["schemas"],
  name: string,
  schema: Schema,
  message: DescMessage,
): string[] {
  // A schema that chooses between others has what each of them has; they are compared one by one.
  if (schema.oneOf !== undefined) {
    return schema.oneOf
      .map(({ $ref = "" }) => $ref.slice($ref.lastIndexOf("/") + 1))
      .filter((option) => schemas[option]?.["x-protobuf"] !== message.typeName)
      .map((option) => `${name} may be ${option}, which does not mirror ${message.typeName}`);
  }
  const properties = schema.properties ?? {};
  const fields = new Map(message.fields.map((field) => [field.name, field]));
  return [
    ...message.fields
      .filter((field) => properties[field.name] === undefined)
      .filter((field) => !intended.fieldsNotInJson.includes(`${message.typeName}.${field.name}`))
      .map((field) => `${name} lacks ${field.name} of ${message.typeName}`),
    ...Object.entries(properties).flatMap(([property, value]) => {
      const field = fields.get(property);
      if (field !== undefined) return typeDrift(schemas, `${name}.${property}`, value, field);
      const isIntended = intended.propertiesNotInProto.includes(`${name}.${property}`);
      return isIntended ? [] : [`${name} has ${property}, which ${message.typeName} lacks`];
    }),
  ];
}

/** The JSON types and formats that may stand for a protobuf scalar; the first one is told when none does. */
const scalarTypes: Partial<Record<ScalarType, readonly string[]>> = {
  [ScalarType.STRING]: ["string", "string date-time"],
  [ScalarType.BOOL]: ["boolean"],
  [ScalarType.DOUBLE]: ["number double", "number"],
  [ScalarType.FLOAT]: ["number float"],
  [ScalarType.INT32]: ["integer int32"],
  [ScalarType.INT64]: ["integer int64"],
  [ScalarType.UINT32]: ["integer uint32"],
  [ScalarType.UINT64]: ["integer uint64"],
};

function typeDrift(
  schemas: Document["components"]["schemas"],
  at: string,
  given: Schema,
  field: DescField,
): string[] {
  const schema = resolve(schemas, given);
  const actual = [schema.type, schema.format].filter((part) => part !== undefined).join(" ");
  switch (field.fieldKind) {
    case "scalar": {
      const types = scalarTypes[field.scalar] ?? [];
      return types.includes(actual)
        ? []
        : [`${at} is ${actual}, its field is ${types[0] ?? "of another kind"}`];
    }
    case "enum":
      return schema["x-protobuf"] === field.enum.typeName
        ? []
        : [`${at} does not mirror ${field.enum.typeName}`];
    case "message": {
      const { typeName } = field.message;
      if (typeName === "google.protobuf.Timestamp")
        return actual === "string date-time" ? [] : [`${at} is no date-time`];
      if (typeName === "google.protobuf.Struct") {
        return actual === "object" && schema.additionalProperties === true ? [] : [`${at} is no open object`];
      }
      return schema["x-protobuf"] === typeName ? [] : [`${at} does not mirror ${typeName}`];
    }
    case "list": {
      if (actual !== "array") return [`${at} is no array`];
      const items = resolve(schemas, schema.items ?? {});
      const expected = field.listKind === "message" ? field.message.typeName : undefined;
      return expected === undefined || items["x-protobuf"] === expected
        ? []
        : [`${at} has items that do not mirror ${expected}`];
    }
    case "map":
      return actual === "object" && typeof schema.additionalProperties === "object"
        ? []
        : [`${at} is no map`];
  }
}

function resolve(schemas: Document["components"]["schemas"], schema: Schema): Schema {
  return schema.$ref === undefined
    ? schema
    : (schemas[schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1)] ?? {});
}
