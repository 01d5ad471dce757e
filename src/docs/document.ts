import type { OpenApiDocument } from "../contract.ts";

/** A schema, as far as the page shows it. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly (string | number)[];
  readonly "x-extensible-enum"?: readonly string[];
  readonly default?: string | number | boolean;
  /** Of a parameter. */
  readonly examples?: readonly (string | number)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly uniqueItems?: boolean;
  readonly pattern?: string;
  readonly "x-pattern-message"?: string;
  readonly items?: Referable<Schema>;
  readonly properties?: Readonly<Record<string, Referable<Schema>>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Referable<Schema>;
  /** Keywords that hold for requests, and that generators of clients need not know. */
  readonly "x-constraints"?: Schema;
}

interface Reference {
  readonly $ref: string;
}

export type Referable<T> = T | Reference;

interface Example {
  readonly summary?: string;
  readonly value?: unknown;
}

export interface MediaType {
  readonly schema?: Referable<Schema>;
  readonly examples?: Readonly<Record<string, Referable<Example>>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly description?: string;
  readonly "x-multi-segment"?: boolean;
  readonly schema: Referable<Schema>;
  readonly example?: string | number;
}

export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Referable<Omit<Parameter, "name" | "in">>>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}

export interface RequestBody {
  readonly description?: string;
  readonly content: Readonly<Record<string, MediaType>>;
}

interface OperationObject {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Referable<Parameter>[];
  readonly requestBody?: Referable<RequestBody>;
  readonly responses: Readonly<Record<string, Referable<Response>>>;
}

/** An operation with its place in the document. */
export interface Operation extends OperationObject {
  readonly method: string;
  readonly path: string;
  /** Those of its path first. */
  readonly parameters: readonly Referable<Parameter>[];
  /** Whether a bearer token is required. */
  readonly secured: boolean;
}

/** Operations of one tag. */
export interface Group {
  readonly name: string;
  readonly description: string;
  readonly operations: readonly Operation[];
}

const methods = ["get", "post", "delete"] as const;

type PathItem = { readonly parameters?: Operation["parameters"] } & {
  readonly [Method in (typeof methods)[number]]?: OperationObject;
};

interface ApiDocument {
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly summary: string;
    readonly description: string;
  };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly security: readonly unknown[];
  readonly paths: Readonly<Record<string, PathItem>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The contract as the page shows it. */
export interface Api {
  readonly info: ApiDocument["info"];
  /** In the order of the tags. */
  readonly groups: readonly Group[];
  /** The groups without a secured operation: probes, metrics and documentation. */
  readonly operatorGroups: readonly Group[];
  readonly schemas: Readonly<Record<string, Schema>>;
  /** What `value` refers to in the components; `value` itself if it is no reference. */
  readonly resolve: <T extends object>(value: Referable<T>) => T;
}

export function apiFrom(contract: OpenApiDocument): Api {
  // `make check` lints the document: it has what the recommended rules of Redocly require.
  const document = contract as unknown as ApiDocument;
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    methodsOf(item).flatMap((method) => {
      const operation = item[method];
      if (operation === undefined) return [];
      const secured = (operation.security ?? document.security).length > 0;
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
      return [{ ...operation, method: method.toUpperCase(), path, parameters, secured }];
    }),
  );
  const groups = document.tags
    .map((tag) => ({ ...tag, operations: operations.filter(({ tags }) => tags.includes(tag.name)) }))
    .filter((group) => group.operations.length > 0);
  const isSecured = (group: Group) => group.operations.some(({ secured }) => secured);
  return {
    info: document.info,
    groups: groups.filter(isSecured),
    operatorGroups: groups.filter((group) => !isSecured(group)),
    schemas: document.components["schemas"] as Api["schemas"],
    resolve(value) {
      if (!("$ref" in value)) return value;
      const [section = "", name = ""] = value.$ref.replace("#/components/", "").split("/");
      // A section has objects of one type, and the linter found every reference.
      return document.components[section]?.[name] as never;
    },
  };
}

/** Its methods, in the order of the document. */
function methodsOf(item: PathItem) {
  return Object.keys(item).flatMap((key) => methods.filter((method) => method === key));
}

/** The name of what `value` refers to; undefined if it is no reference. */
export function nameOf(value: object): string | undefined {
  return "$ref" in value && typeof value.$ref === "string" ? value.$ref.split("/").at(-1) : undefined;
}
