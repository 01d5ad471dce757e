import { withConstraints } from "../../src/validation/constraints.ts";
import { contractFrom, isSigned, loadContract } from "../../src/contract.ts";
import type { Operation, Path } from "../../src/contract.ts";

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A schema of the contract, as far as values are generated from it. */
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
  /** Conditions: a value that has the constant has the schema of `then`, too. */
  readonly allOf?: readonly { readonly if: Schema; readonly then: Schema }[];
}

/** A parameter of an operation. Its schema is resolved at the top level. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly allowEmptyValue?: boolean;
  readonly schema: Schema;
}

/** A response that an operation declares. */
interface DeclaredResponse {
  readonly $ref?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

/** An operation with its requests and responses. */
export interface FuzzOperation {
  readonly id: Operation["id"];
  readonly method: string;
  readonly template: string;
  readonly isSecured: boolean;
  /** Whether a signature over its body authenticates it. */
  readonly isSigned: boolean;
  readonly parameters: readonly Parameter[];
  /** The schema of its JSON body. */
  readonly body: Schema | undefined;
  readonly responses: ReadonlyMap<number, DeclaredResponse>;
}

/** The contract as the fuzz test reads it, with the constraints that generators do not see. */
export interface FuzzContract {
  readonly document: ReturnType<typeof loadContract>["document"];
  readonly paths: readonly Path[];
  readonly operations: readonly FuzzOperation[];
  /** Resolves the reference of a schema. */
  resolve(schema: Schema): Schema;
}

/** The document as this folder reads it. `make check` lints the file. */
interface Document {
  readonly paths: Record<string, Record<string, DocumentOperation>>;
}

interface DocumentOperation {
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
  readonly responses: Readonly<Record<string, DeclaredResponse>>;
}

/** Reads the gateway's contract. */
export function readContract(): FuzzContract {
  const { document, paths } = contractFrom(withConstraints(loadContract().document));
  // The gateway's own types contain only what the gateway reads.
  const fullDocument = document as unknown as Document;

  function lookUp<T extends { readonly $ref?: string }>(value: T): T {
    if (value.$ref === undefined) return value;
    const found = value.$ref
      .split("/")
      .slice(1)
      .reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], document);
    return lookUp(found as T);
  }

  function operationFrom(operation: Operation): FuzzOperation {
    const { id, method, template, secured, parameters } = operation;
    const { requestBody, responses } = fullDocument.paths[template]![method]!;
    return {
      id,
      method: method.toUpperCase(),
      template,
      isSecured: secured,
      isSigned: isSigned(operation),
      parameters: (parameters as readonly Parameter[]).map(({ schema, ...parameter }) => ({
        ...parameter,
        schema: lookUp(schema),
      })),
      body: requestBody?.content["application/json"].schema,
      responses: new Map(
        Object.entries(responses)
          .filter(([status]) => status !== "default")
          .map(([status, response]) => [Number(status), lookUp(response)]),
      ),
    };
  }

  return {
    document,
    paths,
    operations: paths.flatMap(({ operations }) => operations.map(operationFrom)),
    resolve: lookUp,
  };
}
