import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts } from "./compose.ts";
import type { FuzzContract, FuzzOperation, Json, Parameter, Schema } from "./contract.ts";
import { faultyBodiesOf } from "./faulty-bodies.ts";
import { invalidValuesOf, textFaults } from "./invalid-values.ts";
import type { Known } from "./sound-parts.ts";
import { refusedAs } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import { textOf } from "./schema-values.ts";
import type { Resolve } from "./schema-values.ts";
import { isForKeys, limits } from "./sound-requests.ts";
import type { WireRequest } from "./wire.ts";

/**
 * Requests that are sound but for one fault, each with the status that it must get: one way to go wrong after
 * another that the contract gives an operation.
 */
export function faultyRequestsOf(
  operation: FuzzOperation,
  sound: Arbitrary<Parts>,
  contract: FuzzContract,
  known: Known,
): Arbitrary<Case> {
  const { parameters, body, isSecured } = operation;
  const inQuery = parameters.filter((parameter) => parameter.in === "query");
  const once = inQuery.filter(({ schema }) => schema.type !== "array");
  const faults = [
    unknownQuery(sound),
    wrongMethod(sound),
    wrongPath(sound),
    ...parameters.map((parameter) => wrongValue(parameter, sound, contract)),
    ...inQuery.map((parameter) => givenAs(wrongTextsFor(parameter), parameter, sound)),
    ...once.map((parameter) => givenTwice(parameter, sound)),
    ...(isSecured ? [wrongToken(sound)] : []),
    ...(isForKeys(operation) ? [asAdmin(sound, known)] : []),
    ...parameters.filter(({ name }) => name === "If-Match").map((ifMatch) => otherTag(ifMatch, sound)),
    ...parameters.filter(({ name }) => name === "key").map((key) => nobodysKey(key, sound)),
    ...parameters.filter(({ name }) => name === "file").map((file) => noFile(file, sound)),
  ];
  const bodyFaults = body === undefined ? [] : faultyBodiesOf(sound, invalidValuesOf(body, contract.resolve));
  return fc
    .oneof({ arbitrary: fc.oneof(...faults), weight: 10 }, ...bodyFaults)
    .filter(({ request }) => request.target.length <= limits.target);
}

function wrongValue(
  parameter: Parameter,
  sound: Arbitrary<Parts>,
  { resolve }: FuzzContract,
): Arbitrary<Case> {
  const { name, schema } = parameter;
  const values = faultyTexts(schema, resolve).filter((value) => isTextFor(parameter, value));
  return fc.tuple(sound, values).map(([parts, value]) => {
    const request = compose({ ...parts, parameters: { ...parts.parameters, [name]: value } });
    // Control characters in a header are refused by the parser.
    return refusedAs(400, request, parameter.in === "header");
  });
}

function faultyTexts(schema: Schema, resolve: Resolve): Arbitrary<string | string[]> {
  if (schema.type === "array") {
    return fc.oneof(...textFaults(resolve(schema.items ?? {}))).map((value) => ["k=v", value]);
  }
  if (schema.type === "boolean") return misspeltBooleans;
  if (schema.type !== "integer") return fc.oneof(...textFaults(schema));
  return fc.oneof(invalidValuesOf(schema, resolve).filter(isNumber).map(String), misspeltIntegers);
}

const misspeltIntegers = fc.constantFrom("x", " 5", "0x10", "1e2", "+5", "05", "5.0", "NaN", "٣", "-0");

const misspeltBooleans = fc.constantFrom("1", "0", "TRUE", "False", " true", "yes", "null", "truefalse");

function isNumber(value: Json): value is number {
  return typeof value === "number";
}

/** Whether a value stays itself on its way: an empty segment is another path, spaces around a header are none of it. */
function isTextFor({ in: place, schema }: Parameter, value: string | string[]): boolean {
  const text = [value].flat().at(-1) ?? "";
  if (place === "path") return text !== "";
  if (place !== "header") return text !== "" || schema.type === "array";
  return text === text.trim() && !/[\r\n]/.test(text);
}

function unknownQuery(sound: Arbitrary<Parts>): Arbitrary<Case> {
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
    .tuple(sound, names)
    .map(([parts, name]) => refusedAs(400, withQuery(compose(parts), `${name}=1`)));
}

/** What no parameter may be: no percent-encoded UTF-8, and, but for those that say so, empty. */
function wrongTextsFor({ allowEmptyValue = false }: Parameter): Arbitrary<string> {
  const texts = ["a=%", "a=%zz", "a=%FF", "a=%C0%AF", "a=%ED%A0%80"];
  return fc.constantFrom(...texts, ...(allowEmptyValue ? [] : [""]));
}

function givenAs(texts: Arbitrary<string>, { name }: Parameter, sound: Arbitrary<Parts>): Arbitrary<Case> {
  return fc.tuple(sound, texts).map(([parts, text]) => {
    const others = Object.fromEntries(Object.entries(parts.parameters).filter(([own]) => own !== name));
    return refusedAs(400, withQuery(compose({ ...parts, parameters: others }), `${name}=${text}`));
  });
}

function givenTwice({ name }: Parameter, sound: Arbitrary<Parts>): Arbitrary<Case> {
  return sound.map((parts) => refusedAs(400, withQuery(compose(parts), `${name}=1&${name}=1`)));
}

function withQuery(request: WireRequest, more: string): WireRequest {
  return { ...request, target: `${request.target}${request.target.includes("?") ? "&" : "?"}${more}` };
}

function wrongMethod(sound: Arbitrary<Parts>): Arbitrary<Case> {
  const methods = fc.constantFrom("PUT", "PATCH", "OPTIONS", "TRACE");
  return fc.tuple(sound, methods).map(([parts, method]) => refusedAs(405, { ...compose(parts), method }));
}

function wrongPath(sound: Arbitrary<Parts>): Arbitrary<Case> {
  const paths = fc.constantFrom(
    "/",
    "/v1",
    "/v1/",
    "/v2/workflows",
    "/v1/Workflows",
    "/v1/workflows/",
    "//v1/workflows",
  );
  return fc.tuple(sound, paths).map(([parts, path]) => refusedAs(404, { ...compose(parts), target: path }));
}

/** A tag of something else, or the tag of anything, weakly. */
function otherTag({ name }: Parameter, sound: Arbitrary<Parts>): Arbitrary<Case> {
  const tags = fc.constantFrom('"a"', 'W/"a", "b"', '"*"', "a", "*, *");
  return fc.tuple(sound, tags).map(([parts, tag]) => {
    return refusedAs(412, compose({ ...parts, parameters: { ...parts.parameters, [name]: tag } }));
  });
}

/** A key that no artifact has, though one might. */
function nobodysKey({ name, schema }: Parameter, sound: Arbitrary<Parts>): Arbitrary<Case> {
  return fc.tuple(sound, textOf(schema)).map(([parts, key]) => {
    return refusedAs(
      404,
      compose({ ...parts, parameters: { ...parts.parameters, [name]: `-/${key}`.slice(0, 1024) } }),
    );
  });
}

/** A part that the page does not have. */
function noFile({ name }: Parameter, sound: Arbitrary<Parts>): Arbitrary<Case> {
  const files = fc.stringMatching(/^[a-z][a-z.-]{0,40}$/).map((file) => `x-${file}`);
  return fc
    .tuple(sound, files)
    .map(([parts, file]) =>
      refusedAs(404, compose({ ...parts, parameters: { ...parts.parameters, [name]: file } })),
    );
}

function asAdmin(sound: Arbitrary<Parts>, { adminToken }: Known): Arbitrary<Case> {
  return sound.map((parts) => refusedAs(403, compose({ ...parts, token: adminToken })));
}

function wrongToken(sound: Arbitrary<Parts>): Arbitrary<Case> {
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
  return fc.tuple(sound, fc.option(tokens)).map(([parts, token]) => {
    const request = compose(parts);
    const headers = request.headers.flatMap(([name, value]) =>
      name !== "Authorization" ? [[name, value] as const] : token === null ? [] : [[name, token] as const],
    );
    return refusedAs(401, { ...request, headers });
  });
}
