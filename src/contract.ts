import { readFileSync } from "node:fs";
import type { Request, Response } from "express";
import { CORE_SCHEMA, dump, load } from "js-yaml";
import type { components, operations } from "../generated/openapi/gateway.v1.ts";
import type { AuthenticatedLocals, BodyLocals, SignedLocals, TracedLocals } from "./http/stages.ts";

/** The JSON shapes of the contract, by schema name. */
export type Schema = components["schemas"];

/** The operations of the contract. */
export type OperationId = keyof operations;

type Json<R> = R extends { content: { "application/json": infer Body } } ? Body : never;
type OwnBody<Op extends OperationId> = {
  [Status in keyof operations[Op]["responses"]]: Exclude<
    Json<operations[Op]["responses"][Status]>,
    Schema["Error"]
  >;
}[keyof operations[Op]["responses"]];
type SuccessBody<Op extends OperationId> = [OwnBody<Op>] extends [never] ? unknown : OwnBody<Op>;
type Given<T> = [T] extends [undefined] ? Record<string, never> : NonNullable<T>;
type RequestBody<Op extends OperationId> = operations[Op] extends {
  requestBody: { content: { "application/json": infer Body } };
}
  ? Body
  : undefined;

/**
 * What the stages before a handler have added. An operation that may respond 401 is secured. One that is not secured and
 * has a body is signed.
 */
type LocalsOf<Op extends OperationId> = 401 extends keyof operations[Op]["responses"]
  ? [RequestBody<Op>] extends [undefined]
    ? AuthenticatedLocals
    : BodyLocals
  : [RequestBody<Op>] extends [undefined]
    ? TracedLocals
    : SignedLocals;

/** Serves one operation. Its request is valid, and it sends the success body of the contract. */
export type Handler<Op extends OperationId> = (
  req: Request<
    Given<operations[Op]["parameters"]["path"]>,
    SuccessBody<Op>,
    RequestBody<Op>,
    Given<operations[Op]["parameters"]["query"]>,
    LocalsOf<Op>
  >,
  res: Response<SuccessBody<Op>, LocalsOf<Op>>,
) => void | Promise<void>;

/** A parameter of an operation, as far as the gateway reads it. */
interface Parameter {
  readonly name: string;
  readonly in: "query" | "header" | "path";
  readonly allowEmptyValue?: boolean;
  /** Whether a path parameter, which is the last segment, takes the rest of the path, slashes included. */
  readonly "x-multi-segment"?: boolean;
  readonly schema: { readonly type?: string; readonly $ref?: string };
}

/** The body of an operation, as far as the gateway reads it. */
interface RequestBodyObject {
  readonly required?: boolean;
  readonly content: Readonly<Record<string, { readonly schema?: unknown }>>;
}

/** One operation of the loaded contract. */
export interface Operation {
  readonly id: OperationId;
  readonly method: (typeof methods)[number];
  /** As the contract writes it: `/v1/workflows/{id}`. */
  readonly template: string;
  readonly tags: readonly string[];
  /** Whether a bearer token is required. */
  readonly secured: boolean;
  /** Undefined if it has no body. References are resolved. */
  readonly requestBody: RequestBodyObject | undefined;
  /** Whether it only reads (RFC 9110 §9.2.1): every GET does, and a POST that says `x-safe`. */
  readonly isSafe: boolean;
  /** Those of its path first. References are resolved. */
  readonly parameters: readonly Parameter[];
}

/** One segment of a path template; `rest` is a parameter that takes the rest of the path. */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "parameter" | "rest"; readonly name: string };

/** One path of the loaded contract. */
export interface Path {
  readonly template: string;
  readonly segments: readonly Segment[];
  readonly operations: readonly Operation[];
  /** Whether it responds with an event stream. */
  readonly isStream: boolean;
  /** Its methods. HEAD is one wherever GET is, but for event streams, which have no end. */
  readonly allowed: readonly string[];
}

/** The contract in force. */
export interface Contract {
  /** The document as it was written, in YAML. */
  readonly source: string;
  readonly document: OpenApiDocument;
  readonly paths: readonly Path[];
}

interface Reference {
  readonly $ref: string;
}

/** An operation of the document, as far as the gateway reads it. */
interface OperationObject {
  operationId: OperationId;
  tags?: string[];
  "x-safe"?: boolean;
  security?: unknown[];
  parameters?: (Parameter | Reference)[];
  requestBody?: RequestBodyObject | Reference;
  responses: Record<string, { content?: Record<string, unknown> }>;
}

/** A path of the document, as far as the gateway reads it. */
type PathItem = { parameters?: (Parameter | Reference)[] } & Partial<
  Record<Operation["method"] | "head", OperationObject>
>;

/** An OpenAPI document, as far as the gateway reads it. */
export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string };
  security?: unknown[];
  paths: Record<string, PathItem>;
  components: Record<string, Record<string, unknown>>;
}

const methods = ["get", "post", "delete"] as const;

/** Loads the contract; throws when the file is missing or states no contract. */
export function loadContract(file: URL = new URL("../openapi/gateway.v1.yaml", import.meta.url)): Contract {
  const source = readFileSync(file, "utf8");
  // `make check` lints the file, and a schema of requests that does not compile stops the start. CORE_SCHEMA is YAML 1.2.
  return contractFrom(load(source, { schema: CORE_SCHEMA }) as OpenApiDocument, source);
}

/** The contract that `document` states, which was read from `source`. */
export function contractFrom(document: OpenApiDocument, source = dump(document)): Contract {
  const paths = Object.entries(document.paths).map(([template, item]): Path => {
    const isStream = item.get?.responses["200"]?.content?.["text/event-stream"] !== undefined;
    const own = methods.filter((method) => item[method] !== undefined).map((method) => method.toUpperCase());
    return {
      template,
      isStream,
      segments: segmentsOf(template, parametersOf(document, item)),
      operations: methods.flatMap((method) => {
        const operation = item[method];
        return operation === undefined ? [] : [operationFrom(document, template, item, method, operation)];
      }),
      allowed: item.get === undefined || isStream ? own : [...own, "HEAD"],
    };
  });
  return { source, document, paths };
}

/** `contract` with no other paths than those that `keeps` returns true for; its source keeps its comments. */
export function withPaths(contract: Contract, keeps: (path: Path) => boolean): Contract {
  const omitted = contract.paths.flatMap((path) => (keeps(path) ? [] : [path.template]));
  const paths = { ...contract.document.paths };
  for (const template of omitted) Reflect.deleteProperty(paths, template);
  return contractFrom({ ...contract.document, paths }, withoutPaths(contract.source, omitted));
}

/** Removes paths from an OpenAPI document in YAML. Throws unless they are in block style, indented by two spaces. */
function withoutPaths(source: string, templates: readonly string[]): string {
  const [, before = "", paths = "", after = ""] =
    /^([^]*^paths:\n)((?:(?: .*)?\n)*)([^]*)$/m.exec(source) ?? [];
  const entries = paths.split(/^(?= {2}\S)/m);
  const kept = entries.filter((entry) => {
    const [, , template] = /^ {2}(["']?)(.*)\1:\n/.exec(entry) ?? [];
    return template === undefined || !templates.includes(template);
  });
  if (entries.length - kept.length !== templates.length)
    throw new Error("the paths of the contract are not in block style, indented by two spaces");
  return before + kept.join("") + after;
}

/** Whether the signature over its body authenticates an operation, which has no bearer token. */
export function isSigned({ secured, requestBody }: { secured: boolean; requestBody?: unknown }): boolean {
  return !secured && requestBody !== undefined;
}

function operationFrom(
  document: OpenApiDocument,
  template: string,
  item: PathItem,
  method: Operation["method"],
  operation: OperationObject,
): Operation {
  return {
    id: operation.operationId,
    method,
    template,
    tags: operation.tags ?? [],
    secured: (operation.security ?? document.security ?? []).length > 0,
    requestBody: operation.requestBody && resolve(document, operation.requestBody),
    isSafe: method === "get" || operation["x-safe"] === true,
    parameters: [...parametersOf(document, item), ...parametersOf(document, operation)],
  };
}

/** Splits a template at its slashes. Throws where something follows a parameter that takes the rest of the path. */
function segmentsOf(template: string, parameters: readonly Parameter[]): Segment[] {
  return template
    .slice(1)
    .split("/")
    .map((text, index, { length }): Segment => {
      const [, name] = /^\{(\w+)\}$/.exec(text) ?? [];
      if (name === undefined) return { kind: "literal", text };
      const parameter = parameters.find((known) => known.in === "path" && known.name === name);
      if (parameter?.["x-multi-segment"] !== true) return { kind: "parameter", name };
      if (index < length - 1) throw new Error(`only the last segment of ${template} may be x-multi-segment`);
      return { kind: "rest", name };
    });
}

function parametersOf(
  document: OpenApiDocument,
  { parameters = [] }: Pick<PathItem, "parameters">,
): Parameter[] {
  return parameters.map((parameter) => resolve(document, parameter));
}

/** What `value` refers to in the components of `document`; `value` itself if it is no reference. */
function resolve<T extends object>(document: OpenApiDocument, value: T | Reference): T {
  if (!("$ref" in value)) return value;
  const [section = "", name = ""] = value.$ref.replace("#/components/", "").split("/");
  const component = document.components[section]?.[name];
  if (component === undefined)
    throw new Error(`the contract refers to ${value.$ref}, which it does not have`);
  // `make check` lints the document: a section has objects of one type.
  return component as T;
}
