import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts, Style } from "./compose.ts";
import type { FuzzContract, FuzzOperation, Json } from "./contract.ts";
import type { Case } from "./oracle.ts";
import { valuesOf } from "./schema-values.ts";
import { stripeEvents } from "./stripe-events.ts";
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
  return fc
    .record({
      operation: fc.constant(operation),
      parameters: validParameters(operation, known, contract.resolve),
      body: validBodies(operation, contract, known),
      token: fc.constantFrom(known.adminToken, known.apiKey),
      webhookSecret: fc.constant(known.webhookSecret),
      style: styles,
    })
    .map((parts) => withValidToken(parts, known));
}

function validBodies(
  { body, isSigned }: FuzzOperation,
  { resolve }: FuzzContract,
  { principal }: KnownValues,
): Arbitrary<Json | undefined> {
  if (body === undefined) return fc.constant(undefined);
  // Its schema allows anything.
  if (isSigned) return stripeEvents(principal);
  return fc
    .tuple(valuesOf(body, resolve), fc.boolean())
    .map(([value, isReversed]) => withValidContent(value, isReversed));
}

/** The administrator has no credits, and nobody else has access to those of others. */
function withValidToken(parts: Parts, { principal, adminToken, apiKey }: KnownValues): Parts {
  if (!isOfAccount(parts.operation)) return parts;
  const { principal: named = principal } = parts.parameters;
  if (named !== principal) return { ...parts, token: adminToken };
  return parts.parameters["principal"] === undefined ? { ...parts, token: apiKey } : parts;
}

/** Whether a request has a condition that may be false. */
function mayFailPrecondition({ operation, parameters }: Parts): boolean {
  const { "If-Match": ifMatch, "If-Unmodified-Since": since, "If-None-Match": ifNoneMatch } = parameters;
  const isRead = operation.method === "GET";
  return (ifMatch ?? "*") !== "*" || since !== undefined || (!isRead && ifNoneMatch !== undefined);
}

/** Whether an operation is about the credits of a principal. */
export function isOfAccount({ id }: FuzzOperation): boolean {
  return id === "getBalance" || id === "listLedger" || id === "createCheckout";
}

/** Whether a purchase has a key that another purchase may have had. */
function mayRepeatKey({ operation, parameters }: Parts): boolean {
  return operation.id === "createCheckout" && parameters["Idempotency-Key"] !== undefined;
}

/** The longest target and the largest body that the gateway reads, in bytes. */
export const limits = { target: 8192, body: 1024 * 1024 } as const;

/** Valid requests of an operation. Each must succeed. */
export function validRequestsOf(parts: Arbitrary<Parts>): Arbitrary<Case> {
  return parts
    .map((valid): Case => ({
      request: compose(valid),
      statuses: [
        ...[200, 201, 204, 206, 304],
        // These are no failures of the gateway.
        ...(mayFailPrecondition(valid) ? [412] : []),
        ...(mayRepeatKey(valid) ? [400] : []),
      ],
      mayViolateHttp: false,
    }))
    .filter(
      ({ request: { target, body } }) => target.length <= limits.target && (body?.length ?? 0) <= limits.body,
    );
}
