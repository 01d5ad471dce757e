import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts } from "./compose.ts";
import type { FuzzContract, FuzzOperation, Json, Parameter, Schema } from "./contract.ts";
import { invalidBodiesOf } from "./invalid-bodies.ts";
import { invalidValuesOf, invalidTextsOf } from "./invalid-values.ts";
import type { KnownValues } from "./valid-parts.ts";
import { rejectedWith } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import { textOf } from "./schema-values.ts";
import type { Resolve } from "./schema-values.ts";
import { isOfAccount, limits } from "./valid-requests.ts";
import type { WireRequest } from "./wire-request.ts";

/** Requests with exactly one violation, each with the status that it must get. */
export function invalidRequestsOf(
  operation: FuzzOperation,
  valid: Arbitrary<Parts>,
  contract: FuzzContract,
  known: KnownValues,
): Arbitrary<Case> {
  const { parameters, body, isSecured, isSigned } = operation;
  const inQuery = parameters.filter((parameter) => parameter.in === "query");
  const once = inQuery.filter(({ schema }) => schema.type !== "array");
  const violations = [
    // The only violation of the operation itself that is common to all, while the next two are of its route.
    { arbitrary: unknownQuery(valid), weight: 3 },
    wrongMethod(valid),
    wrongPath(valid),
    ...parameters.map((parameter) => wrongValue(parameter, valid, contract)),
    ...inQuery.map((parameter) => givenAs(wrongTextsFor(parameter), parameter, valid)),
    ...once.map((parameter) => givenTwice(parameter, valid)),
    ...(isSecured ? [wrongToken(valid)] : []),
    ...(isOfAccount(operation) ? [asAdmin(valid, known)] : []),
    ...parameters.filter(({ name }) => name === "principal").map(() => asAnother(valid, known)),
    ...(isSigned ? [wrongSecret(valid)] : []),
    ...parameters.filter(({ name }) => name === "If-Match").map((ifMatch) => otherTag(ifMatch, valid)),
    ...parameters.filter(({ name }) => name === "key").map((key) => unknownKey(key, valid)),
    ...parameters.filter(({ name }) => name === "file").map((file) => unknownFile(file, valid)),
  ];
  const bodyViolations =
    body === undefined ? [] : invalidBodiesOf(valid, invalidValuesOf(body, contract.resolve));
  return fc
    .oneof({ arbitrary: fc.oneof(...violations), weight: 10 }, ...bodyViolations)
    .filter(({ request }) => request.target.length <= limits.target);
}

function wrongValue(
  parameter: Parameter,
  valid: Arbitrary<Parts>,
  { resolve }: FuzzContract,
): Arbitrary<Case> {
  const { name, schema } = parameter;
  const values = invalidTexts(schema, resolve).filter((value) => isTransmittable(parameter, value));
  return fc.tuple(valid, values).map(([parts, value]) => {
    const request = compose({ ...parts, parameters: { ...parts.parameters, [name]: value } });
    // The parser rejects control characters in a header.
    return rejectedWith(400, request, parameter.in === "header");
  });
}

function invalidTexts(schema: Schema, resolve: Resolve): Arbitrary<string | string[]> {
  if (schema.type === "array") {
    return fc.oneof(...invalidTextsOf(resolve(schema.items ?? {}))).map((value) => ["k=v", value]);
  }
  if (schema.type === "boolean") return misspelledBooleans;
  if (schema.type !== "integer") return fc.oneof(...invalidTextsOf(schema));
  return fc.oneof(invalidValuesOf(schema, resolve).filter(isNumber).map(String), misspelledIntegers);
}

const misspelledIntegers = fc.constantFrom("x", " 5", "0x10", "1e2", "+5", "05", "5.0", "NaN", "٣", "-0");

const misspelledBooleans = fc.constantFrom("1", "0", "TRUE", "False", " true", "yes", "null", "truefalse");

function isNumber(value: Json): value is number {
  return typeof value === "number";
}

/** Whether a value can be transmitted: an empty segment changes the path, and spaces around a header are trimmed. */
function isTransmittable({ in: place, schema }: Parameter, value: string | string[]): boolean {
  const text = [value].flat().at(-1) ?? "";
  if (place === "path") return text !== "";
  if (place !== "header") return text !== "" || schema.type === "array";
  return text === text.trim() && !/[\r\n]/.test(text);
}

function unknownQuery(valid: Arbitrary<Parts>): Arbitrary<Case> {
  const names = fc.constantFrom(
    "access_token",
    "page-size",
    "PAGE_SIZE",
    "__proto__",
    "constructor",
    "label[]",
    "",
  );
  return fc
    .tuple(valid, names)
    .map(([parts, name]) => rejectedWith(400, withQuery(compose(parts), `${name}=1`)));
}

/** Values that are invalid for every parameter: malformed percent-encoding, and empty unless the parameter allows it. */
function wrongTextsFor({ allowEmptyValue = false }: Parameter): Arbitrary<string> {
  const texts = ["a=%", "a=%zz", "a=%FF", "a=%C0%AF", "a=%ED%A0%80"];
  return fc.constantFrom(...texts, ...(allowEmptyValue ? [] : [""]));
}

function givenAs(texts: Arbitrary<string>, { name }: Parameter, valid: Arbitrary<Parts>): Arbitrary<Case> {
  return fc.tuple(valid, texts).map(([parts, text]) => {
    const others = Object.fromEntries(Object.entries(parts.parameters).filter(([own]) => own !== name));
    return rejectedWith(400, withQuery(compose({ ...parts, parameters: others }), `${name}=${text}`));
  });
}

function givenTwice({ name }: Parameter, valid: Arbitrary<Parts>): Arbitrary<Case> {
  return valid.map((parts) => rejectedWith(400, withQuery(compose(parts), `${name}=1&${name}=1`)));
}

function withQuery(request: WireRequest, more: string): WireRequest {
  return { ...request, target: `${request.target}${request.target.includes("?") ? "&" : "?"}${more}` };
}

function wrongMethod(valid: Arbitrary<Parts>): Arbitrary<Case> {
  const methods = fc.constantFrom("PUT", "PATCH", "OPTIONS", "TRACE");
  return fc.tuple(valid, methods).map(([parts, method]) => rejectedWith(405, { ...compose(parts), method }));
}

function wrongPath(valid: Arbitrary<Parts>): Arbitrary<Case> {
  const paths = fc.constantFrom(
    "/v1",
    "/v1/",
    "/v2/workflows",
    "/v1/Workflows",
    "/v1/workflows/",
    "//v1/workflows",
  );
  return fc
    .tuple(valid, paths)
    .map(([parts, path]) => rejectedWith(404, { ...compose(parts), target: path }));
}

/** An ETag that does not match. */
function otherTag({ name }: Parameter, valid: Arbitrary<Parts>): Arbitrary<Case> {
  const tags = fc.constantFrom('"a"', 'W/"a", "b"', '"*"', "a", "*, *");
  return fc.tuple(valid, tags).map(([parts, tag]) => {
    return rejectedWith(412, compose({ ...parts, parameters: { ...parts.parameters, [name]: tag } }));
  });
}

/** A valid key that no artifact has. */
function unknownKey({ name, schema }: Parameter, valid: Arbitrary<Parts>): Arbitrary<Case> {
  return fc.tuple(valid, textOf(schema)).map(([parts, key]) => {
    return rejectedWith(
      404,
      compose({ ...parts, parameters: { ...parts.parameters, [name]: `-/${key}`.slice(0, 1024) } }),
    );
  });
}

/** A file that the documentation page does not have. */
function unknownFile({ name }: Parameter, valid: Arbitrary<Parts>): Arbitrary<Case> {
  const files = fc.stringMatching(/^[a-z][a-z.-]{0,40}$/).map((file) => `x-${file}`);
  return fc
    .tuple(valid, files)
    .map(([parts, file]) =>
      rejectedWith(404, compose({ ...parts, parameters: { ...parts.parameters, [name]: file } })),
    );
}

/** The administrator, who names nobody. */
function asAdmin(valid: Arbitrary<Parts>, { adminToken }: KnownValues): Arbitrary<Case> {
  return valid.map(({ parameters: { principal: _, ...parameters }, ...parts }) =>
    rejectedWith(403, compose({ ...parts, parameters, token: adminToken })),
  );
}

/** An API key that names another principal than its own. */
function asAnother(valid: Arbitrary<Parts>, { principal, apiKey }: KnownValues): Arbitrary<Case> {
  const others = fc.constantFrom(`${principal}2`, principal.toUpperCase(), "*", "b c");
  return fc.tuple(valid, others).map(([parts, other]) => {
    const parameters = { ...parts.parameters, principal: other };
    return rejectedWith(403, compose({ ...parts, parameters, token: apiKey }));
  });
}

function wrongSecret(valid: Arbitrary<Parts>): Arbitrary<Case> {
  return valid.map((parts) => rejectedWith(400, compose({ ...parts, webhookSecret: "whsec_wrong" })));
}

function wrongToken(valid: Arbitrary<Parts>): Arbitrary<Case> {
  const tokens = fc.oneof(
    fc.stringMatching(/^[!-~]{1,80}$/).map((token) => `Bearer ${token}`),
    fc.constantFrom(
      "",
      "Bearer",
      "Bearer ",
      "Basic YTpi",
      "Bearer a b",
      "Bearer \u0080",
      "bearer,x",
      "Token t",
    ),
    fc.integer({ min: 1, max: 8000 }).map((length) => `Bearer ${"t".repeat(length)}`),
  );
  return fc.tuple(valid, fc.option(tokens)).map(([parts, token]) => {
    const request = compose(parts);
    const headers = request.headers.flatMap(([name, value]) =>
      name !== "Authorization" ? [[name, value] as const] : token === null ? [] : [[name, token] as const],
    );
    return rejectedWith(401, { ...request, headers });
  });
}
