import { ScalarType } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescMessage, Registry } from "@bufbuild/protobuf";

/** The compared parts of a JSON schema in the OpenAPI document. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  /** The known values of an enum that later versions extend. */
  readonly "x-extensible-enum"?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  /** Full name of the message or enum that the schema mirrors. */
  readonly "x-protobuf"?: string;
}

type Schemas = Readonly<Record<string, Schema>>;

/** The compared parts of an OpenAPI document. */
export interface Document {
  readonly components: { readonly schemas: Schemas };
}

/** Intended differences between the two contracts. */
const intended = {
  /** Message fields that JSON replaces with their own fields. */
  flattened: ["foldforge.orchestrator.v1.Workflow.spec"],
  /** Fields that HTTP transmits elsewhere: the event id is the SSE id, and the workflow id is in the path. */
  fieldsNotInJson: [
    "foldforge.orchestrator.v1.WorkflowEvent.event_id",
    "foldforge.orchestrator.v1.RankDesignsRequest.workflow_id",
  ],
  /**
   * Properties of schemas that only JSON has: the gateway's own warnings, the view, the workflow that `reason` names, what the
   * gateway calls a file and where it serves it, and the step that contains an artifact.
   */
  propertiesNotInProto: [
    "Workflow.warnings",
    "Workflow.view",
    "LedgerEntry.workflow_id",
    "Artifact.name",
    "Artifact.href",
    "StepArtifact.step_id",
    "StepArtifact.name",
    "StepArtifact.href",
  ],
  /** Enum values that only JSON has: they replace values that the gateway does not define. */
  valuesNotInProto: ["foldforge.common.v1.JobState.UNKNOWN"],
  /** Messages without a JSON schema: HTTP expresses these requests and responses as parameters, headers and statuses. */
  messagesNotInJson:
    /\.(ProgressEvent|\w+Request|AuthenticateApiKeyResponse|ConsumeQuotaResponse|GrantCreditsResponse)$/,
  /** Schemas that only HTTP has. */
  schemasNotInProto: [
    "Health",
    "Readiness",
    "Error",
    "Violation",
    "PlannedStep",
    "WorkflowPlan",
    "ArtifactList",
    "CheckoutRequest",
    "Checkout",
    "WebhookReceipt",
    /Params$/,
  ],
};

/** The unintended differences between the OpenAPI document and the protobuf contract, one line each. */
export function contractDrift({ components: { schemas } }: Document, contract: Registry): string[] {
  const mirrored = new Set(Object.values(schemas).map((schema) => schema["x-protobuf"]));
  const unmirrored = [...contract]
    .filter(({ kind }) => kind === "message" || kind === "enum")
    .filter(({ typeName }) => !mirrored.has(typeName) && !intended.messagesNotInJson.test(typeName));

  return [
    ...Object.entries(schemas).flatMap(([name, schema]) => {
      const typeName = schema["x-protobuf"];
      if (typeName === undefined) return unmirroredDrift(name, schema);
      const type = contract.get(typeName);
      if (type?.kind === "enum") return enumDrift(name, schema, type);
      if (type?.kind === "message") return messageDrift(schemas, name, schema, type);
      return [`${name} mirrors ${typeName}, which does not exist`];
    }),
    ...unmirrored.map(({ typeName }) => `no schema mirrors ${typeName}`),
  ];
}

/** A schema with properties must name the message that it mirrors, or be one of HTTP's own. */
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
  const actual = schema.enum ?? schema["x-extensible-enum"] ?? [];
  return [
    ...expected.filter((value) => !actual.includes(value)).map((value) => `${name} lacks the value ${value}`),
    ...actual
      .filter((value) => !expected.includes(value))
      .filter((value) => !intended.valuesNotInProto.includes(`${description.typeName}.${value}`))
      .map((value) => `${name} has ${value}, which ${description.typeName} lacks`),
  ];
}

function messageDrift(schemas: Schemas, name: string, schema: Schema, message: DescMessage): string[] {
  const { properties = {} } = schema;
  const fields = new Map(fieldsInJson(message).map((field) => [field.name, field]));
  return [
    ...[...fields.values()]
      .filter((field) => properties[field.name] === undefined)
      .map((field) => `${name} lacks ${field.name} of ${field.parent.typeName}`),
    ...Object.entries(properties).flatMap(([property, value]) => {
      if (intended.propertiesNotInProto.includes(`${name}.${property}`)) return [];
      const field = fields.get(property);
      return field === undefined
        ? [`${name} has ${property}, which ${message.typeName} lacks`]
        : typeDrift(schemas, `${name}.${property}`, value, field);
    }),
  ];
}

/** The fields that the JSON schema of `message` should have. */
function fieldsInJson(message: DescMessage): DescField[] {
  return message.fields.flatMap((field) => {
    const fullName = `${message.typeName}.${field.name}`;
    if (intended.fieldsNotInJson.includes(fullName)) return [];
    return field.message !== undefined && intended.flattened.includes(fullName)
      ? fieldsInJson(field.message)
      : [field];
  });
}

function typeDrift(schemas: Schemas, at: string, given: Schema, field: DescField): string[] {
  const schema = resolve(schemas, given);
  switch (field.fieldKind) {
    case "list":
      return schema.type === "array"
        ? valueDrift(schemas, `${at}[]`, schema.items ?? {}, field)
        : [`${at} is no array`];
    case "map":
      return schema.type === "object" && typeof schema.additionalProperties === "object"
        ? valueDrift(schemas, `${at}{}`, schema.additionalProperties, field)
        : [`${at} is no map`];
    default:
      return valueDrift(schemas, at, schema, field);
  }
}

/** The JSON types and formats that are valid for a protobuf scalar. The first one is the suggestion. */
const scalarTypes: Partial<Record<ScalarType, readonly string[]>> = {
  [ScalarType.STRING]: ["string"],
  [ScalarType.BOOL]: ["boolean"],
  [ScalarType.DOUBLE]: ["number double", "number"],
  [ScalarType.FLOAT]: ["number float"],
  [ScalarType.INT32]: ["integer int32"],
  [ScalarType.INT64]: ["integer int64"],
  // Code generators do not know unsigned formats, and choose 32 bits with a sign.
  [ScalarType.UINT32]: ["integer int64"],
  [ScalarType.UINT64]: ["integer int64"],
};

/** Compares one value: of a singular field, or an item of a list or a map. */
function valueDrift(schemas: Schemas, at: string, given: Schema, field: DescField): string[] {
  const schema = resolve(schemas, given);
  const actual = [schema.type, schema.format].filter((part) => part !== undefined).join(" ");
  if (field.scalar !== undefined) {
    const types = scalarTypes[field.scalar] ?? [];
    return types.includes(actual)
      ? []
      : [`${at} is ${actual || "of any type"}, its field is ${types[0] ?? "of another kind"}`];
  }
  const { typeName } = field.message ?? field.enum;
  if (typeName === "google.protobuf.Timestamp") {
    return actual === "string date-time" ? [] : [`${at} is no date-time`];
  }
  if (typeName === "google.protobuf.Struct") {
    return actual === "object" && schema.additionalProperties === true ? [] : [`${at} is no open object`];
  }
  if (schema["x-protobuf"] !== typeName) return [`${at} does not mirror ${typeName}`];
  const isOpen = field.enum !== undefined && schema["x-extensible-enum"] !== undefined;
  return isOpen ? enumDrift(at, schema, field.enum) : [];
}

function resolve(schemas: Schemas, schema: Schema): Schema {
  return schema.$ref === undefined
    ? schema
    : (schemas[schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1)] ?? {});
}
