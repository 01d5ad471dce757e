import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts, Style } from "./compose.ts";
import type { FuzzContract, FuzzOperation } from "./contract.ts";
import type { Case } from "./oracle.ts";
import { valuesOf } from "./schema-values.ts";
import { validParameters, withValidContent } from "./valid-parts.ts";
import type { KnownValues } from "./valid-parts.ts";
import type { Header } from "./wire-request.ts";

const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(..."123456789abcdef".split("")), minLength: digits, maxLength: digits });

/** Headers that a client or a proxy may add. */
const harmless: Arbitrary<Header> = fc.oneof(
  fc.constantFrom<Header>(
    ["Accept", "application/json"],
    ["Accept-Encoding", "gzip, br"],
    ["User-Agent", "curl/8.0"],
    ["X-Forwarded-For", "10.0.0.1"],
    ["Connection", "keep-alive"],
    ["TE", "trailers"],
  ),
  fc.tuple(hex(32), hex(16)).map(([trace, span]): Header => ["traceparent", `00-${trace}-${span}-01`]),
);

const styles: Arbitrary<Style> = fc.record({
  isHead: fc.nat(9).map((draw) => draw === 9),
  isChunked: fc.nat(9).map((draw) => draw === 9),
  isFormEncoded: fc.boolean(),
  scheme: fc.constantFrom("Bearer", "bearer", "BEARER"),
  contentType: fc.constantFrom(
    "application/json",
    "application/json; charset=utf-8",
    'Application/JSON;charset="UTF-8"',
  ),
  indent: fc.constantFrom(0, 0, 1),
  more: fc.uniqueArray(harmless, { maxLength: 2, selector: ([name]) => name }),
});

/** Valid requests of an operation before serialization. */
export function validPartsOf(
  operation: FuzzOperation,
  contract: FuzzContract,
  known: KnownValues,
): Arbitrary<Parts> {
  const { body } = operation;
  const { resolve } = contract;
  return fc.record({
    operation: fc.constant(operation),
    parameters: validParameters(operation, known, resolve),
    body:
      body === undefined
        ? fc.constant(undefined)
        : fc
            .tuple(valuesOf(body, resolve), fc.boolean())
            .map(([value, isReversed]) => withValidContent(value, isReversed)),
    token: fc.constantFrom(...(requiresApiKey(operation) ? [] : [known.adminToken]), known.apiKey),
    style: styles,
  });
}

/** Whether a request has a condition that may be false. */
function mayFailPrecondition({ operation, parameters }: Parts): boolean {
  const { "If-Match": ifMatch, "If-Unmodified-Since": since, "If-None-Match": ifNoneMatch } = parameters;
  const isRead = operation.method === "GET";
  return (ifMatch ?? "*") !== "*" || since !== undefined || (!isRead && ifNoneMatch !== undefined);
}

/** Whether the admin token, which has no credits, is rejected. */
export function requiresApiKey({ id }: FuzzOperation): boolean {
  return id === "getBalance" || id === "listLedger";
}

/** The longest target and the largest body that the gateway reads, in bytes. */
export const limits = { target: 8192, body: 1024 * 1024 } as const;

/** Valid requests of an operation. Each must succeed. */
export function validRequestsOf(parts: Arbitrary<Parts>): Arbitrary<Case> {
  return parts
    .map((valid): Case => ({
      request: compose(valid),
      // A failed precondition is not a failure of the gateway.
      statuses: [200, 201, 204, 206, 304, ...(mayFailPrecondition(valid) ? [412] : [])],
      mayViolateHttp: false,
    }))
    .filter(
      ({ request: { target, body } }) => target.length <= limits.target && (body?.length ?? 0) <= limits.body,
    );
}
