import type { WireResponse } from "./response-reader.ts";
import { routeOf } from "./route.ts";
import type { Route } from "./route.ts";
import { withoutCoding } from "./content-coding.ts";
import type { FindSchemaViolations } from "./conformance.ts";
import type { FuzzContract } from "./contract.ts";
import { submissionViolations, planViolations } from "./submission-checks.ts";
import type { Disconnect } from "./disconnecting-clients.ts";
import type { WireRequest } from "./wire-request.ts";

/** A request, and what is known about its response. */
export interface Case {
  readonly request: WireRequest;
  /** The acceptable statuses. If undefined, any status below 500 that the contract declares. */
  readonly statuses?: readonly number[] | undefined;
  /** Whether the request may be rejected as invalid HTTP, before its path is known. */
  readonly mayViolateHttp: boolean;
  /** When its client disconnects, if it does not wait for the complete response. */
  readonly disconnect?: Disconnect;
}

/** A request that must get `status`. */
export function rejectedWith(status: number, request: WireRequest, mayBreakHttp = false): Case {
  return { request, statuses: [status], mayViolateHttp: mayBreakHttp };
}

/** Returns how a response violates the contract. */
export type CheckResponse = (testCase: Case, response: WireResponse) => readonly string[];

/** Statuses of requests that are rejected before their path is known. */
const httpRejections = [400, 414, 431];

/** The content of an error where the contract has no operation. */
const errorContent = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };

/** Checks by the contract. A status of 500 or above is always wrong, since all services behind the gateway work. */
export function createResponseCheck(
  contract: FuzzContract,
  findSchemaViolations: FindSchemaViolations,
): CheckResponse {
  return function checkResponse({ request, statuses, mayViolateHttp: mayBreakHttp }, response) {
    const route = routeOf(contract, request);
    const declared = [...declaredFor(route), ...(mayBreakHttp ? httpRejections : [])];
    const accepted = declared.filter((status) => status < 500 && (statuses?.includes(status) ?? true));
    if (!accepted.includes(response.status)) {
      return [`the status is ${response.status} and not ${accepted.join(", ") || "declared"}`];
    }
    const decodedResponse = decoded(request, response);
    if (typeof decodedResponse === "string") return [decodedResponse];
    return [
      ...headerViolations(route, response),
      ...bodyViolations(route, request.method, decodedResponse, findSchemaViolations),
      ...(response.status === 201 ? submissionViolations(request, decodedResponse) : []),
      ...(isPlan(route, response) ? planViolations(request, decodedResponse) : []),
    ];
  };
}

/** The decoded response, or the error message. */
function decoded(request: WireRequest, response: WireResponse): WireResponse | string {
  try {
    return withoutCoding(request, response);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function declaredFor(route: Route): number[] {
  if (route.kind === "operation") return [...route.operation.responses.keys()];
  return [{ redirect: 302, "no path": 404, "no method": 405 }[route.kind]];
}

function headerViolations(route: Route, { status, headers }: WireResponse): string[] {
  const allowed = route.kind === "no method" ? route.allowed : [];
  const required: readonly [status: number, name: string, value: RegExp][] = [
    [201, "location", /^\/v1\/workflows\/[^/]+$/],
    [302, "location", /^(?:\.\.\/)?docs$|^v1\/openapi\.json$/],
    [401, "www-authenticate", /^Bearer$/],
    [405, "allow", new RegExp(`^${allowed.join(", ")}$`)],
    [416, "content-range", /^bytes \*\/\d+$/],
  ];
  return required
    .filter(([of, name, value]) => of === status && !value.test(headers.get(name) ?? ""))
    .map(([, name]) => `the header ${name} is ${headers.get(name) ?? "missing"}`);
}

function isPlan(route: Route, { status }: WireResponse): boolean {
  return route.kind === "operation" && route.operation.id === "validateWorkflow" && status === 200;
}

function bodyViolations(
  route: Route,
  method: string,
  { status, headers, body }: WireResponse,
  findSchemaViolations: FindSchemaViolations,
): readonly string[] {
  if (method === "HEAD" || [204, 302, 304].includes(status)) return [];
  const declared = route.kind === "operation" ? route.operation.responses.get(status)?.content : undefined;
  const type = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  const contents = Object.entries(declared ?? errorContent);
  // An artifact has a media type of its own.
  const [range, content] =
    contents.find(([name]) => name === "application/octet-stream" || name === type) ?? [];
  if (content === undefined) return [`the type is ${type || "missing"}`];
  const ref = content.schema.$ref;
  return range === "application/json" && ref !== undefined
    ? findSchemaViolations(ref, body.toString("utf8"))
    : [];
}
