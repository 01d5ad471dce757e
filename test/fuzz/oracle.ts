import type { Answer } from "./answer-reader.ts";
import { addresseeOf } from "./addressee.ts";
import type { Addressee } from "./addressee.ts";
import { withoutCoding } from "./content-coding.ts";
import type { Conformance } from "./conformance.ts";
import type { FuzzContract } from "./contract.ts";
import { echoFaults, planFaults } from "./echo.ts";
import type { Leaving } from "./leaving-clients.ts";
import type { WireRequest } from "./wire.ts";

/** A request, and what is known of its answer from the way it was made. */
export interface Case {
  readonly request: WireRequest;
  /** Every status that it may have; undefined: any that the contract declares and is no failure of ours. */
  readonly statuses?: readonly number[] | undefined;
  /** Whether HTTP itself may be what refuses it, before anybody looks at its path. */
  readonly mayBreakHttp: boolean;
  /** How its client leaves, where it does not wait for the whole answer. */
  readonly leaving?: Leaving;
}

/** A request that must get `status`. */
export function refusedAs(status: number, request: WireRequest, mayBreakHttp = false): Case {
  return { request, statuses: [status], mayBreakHttp };
}

/** What is wrong with the answer to a request; nothing where it is as the contract says. */
export type Judge = (asked: Case, answer: Answer) => readonly string[];

/** Statuses of what is refused before anybody looks at its path. */
const refusedByHttp = [400, 414, 431];

/** Where the contract has no operation to say what an answer holds. */
const errorContent = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };

/** Judges by what `contract` declares; no status from 500 on is ever right, since all behind the gateway is sound. */
export function createJudge(contract: FuzzContract, conformance: Conformance): Judge {
  return function judge({ request, statuses, mayBreakHttp }, answer) {
    const addressee = addresseeOf(contract, request);
    const declared = [...declaredFor(addressee), ...(mayBreakHttp ? refusedByHttp : [])];
    const right = declared.filter((status) => status < 500 && (statuses?.includes(status) ?? true));
    if (!right.includes(answer.status)) {
      return [`the status is ${answer.status} and not ${right.join(", ") || "declared"}`];
    }
    const plain = decoded(request, answer);
    if (typeof plain === "string") return [plain];
    return [
      ...headerFaults(addressee, answer),
      ...bodyFaults(addressee, request.method, plain, conformance),
      ...(answer.status === 201 ? echoFaults(request, plain) : []),
      ...(isPlan(addressee, answer) ? planFaults(request, plain) : []),
    ];
  };
}

/** The answer without its content coding, or what is wrong with that. */
function decoded(request: WireRequest, answer: Answer): Answer | string {
  try {
    return withoutCoding(request, answer);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function declaredFor(addressee: Addressee): number[] {
  if (addressee.kind === "operation") return [...addressee.operation.answers.keys()];
  return [addressee.kind === "no path" ? 404 : 405];
}

function headerFaults(addressee: Addressee, { status, headers }: Answer): string[] {
  const allowed = addressee.kind === "no method" ? addressee.allowed : [];
  const wanted: readonly [status: number, name: string, value: RegExp][] = [
    [201, "location", /^\/v1\/workflows\/[^/]+$/],
    [401, "www-authenticate", /^Bearer$/],
    [405, "allow", new RegExp(`^${allowed.join(", ")}$`)],
    [416, "content-range", /^bytes \*\/\d+$/],
  ];
  return wanted
    .filter(([of, name, value]) => of === status && !value.test(headers.get(name) ?? ""))
    .map(([, name]) => `the header ${name} is ${headers.get(name) ?? "missing"}`);
}

/** Whether it is what a submission is told that only asked for the plan. */
function isPlan(addressee: Addressee, { status }: Answer): boolean {
  return addressee.kind === "operation" && addressee.operation.id === "submitWorkflow" && status === 200;
}

function bodyFaults(
  addressee: Addressee,
  method: string,
  { status, headers, body }: Answer,
  conformance: Conformance,
): readonly string[] {
  if (method === "HEAD" || status === 204 || status === 304) return [];
  const declared =
    addressee.kind === "operation" ? addressee.operation.answers.get(status)?.content : undefined;
  const type = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  const contents = Object.entries(declared ?? errorContent);
  const [range, content] = contents.find(([name]) => name === "*/*" || name === type) ?? [];
  if (content === undefined) return [`the type is ${type || "missing"}`];
  const ref = content.schema.$ref;
  return range === "application/json" && ref !== undefined ? conformance(ref, body.toString("utf8")) : [];
}
