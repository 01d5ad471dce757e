import { loadContract } from "../../src/contract.ts";
import type { Operation, Path } from "../../src/contract.ts";

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A schema of the contract, as far as values are made from it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly maxProperties?: number;
  readonly oneOf?: readonly Schema[];
}

/** A parameter of an operation, its schema without references at the top. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly allowEmptyValue?: boolean;
  readonly schema: Schema;
}

/** An answer that an operation declares. */
interface DeclaredAnswer {
  readonly $ref?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

/** One operation, with all that the contract says of its requests and answers. */
export interface FuzzOperation {
  readonly id: Operation["id"];
  readonly method: string;
  readonly template: string;
  readonly isSecured: boolean;
  readonly parameters: readonly Parameter[];
  /** The schema of its JSON body. */
  readonly body: Schema | undefined;
  readonly answers: ReadonlyMap<number, DeclaredAnswer>;
}

/** The contract, as the fuzz reads it. */
export interface FuzzContract {
  readonly document: ReturnType<typeof loadContract>["document"];
  readonly paths: readonly Path[];
  readonly operations: readonly FuzzOperation[];
  /** The schema that a schema stands for. */
  resolve(schema: Schema): Schema;
}

/** The document as this folder reads it; `make check` lints the file. */
interface Document {
  readonly paths: Record<string, Record<string, DocumentOperation>>;
}

interface DocumentOperation {
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
  readonly responses: Readonly<Record<string, DeclaredAnswer>>;
}

/** Reads the contract in force. */
export function readContract(): FuzzContract {
  const { document, paths } = loadContract();
  // The gateway's own types name only what the gateway reads.
  const whole = document as unknown as Document;

  function lookUp<T extends { readonly $ref?: string }>(value: T): T {
    if (value.$ref === undefined) return value;
    const found = value.$ref
      .split("/")
      .slice(1)
      .reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], document);
    return lookUp(found as T);
  }

  function operationFrom({ id, method, template, secured, parameters }: Operation): FuzzOperation {
    const { requestBody, responses } = whole.paths[template]![method]!;
    return {
      id,
      method: method.toUpperCase(),
      template,
      isSecured: secured,
      parameters: (parameters as readonly Parameter[]).map(({ schema, ...parameter }) => ({
        ...parameter,
        schema: lookUp(schema),
      })),
      body: requestBody?.content["application/json"].schema,
      answers: new Map(Object.entries(responses).map(([status, answer]) => [Number(status), lookUp(answer)])),
    };
  }

  return {
    document,
    paths,
    operations: paths.flatMap(({ operations }) => operations.map(operationFrom)),
    resolve: lookUp,
  };
}
