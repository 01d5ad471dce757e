import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { Arbitrary, WeightedArbitrary } from "fast-check";
import { readParamForms } from "../../src/validation/param-forms.ts";
import { compose } from "./compose.ts";
import type { Parts } from "./compose.ts";
import type { Json } from "./contract.ts";
import { rejectedWith } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import { limits } from "./valid-requests.ts";

/**
 * Requests that are valid except for their bodies: one of `invalid`, invalid content, a duplicate key, a wrong type, or too
 * large.
 */
export function invalidBodiesOf(
  valid: Arbitrary<Parts>,
  invalid: Arbitrary<Json>,
): WeightedArbitrary<Case>[] {
  return [
    { arbitrary: wrongBody(valid, invalid), weight: 15 },
    {
      arbitrary: fc.oneof(
        wrongContent(valid),
        wrongType(valid),
        repeatedKey(valid),
        repeatedParameter(valid),
      ),
      weight: 6,
    },
    { arbitrary: tooLarge(valid), weight: 1 },
  ];
}

function wrongBody(valid: Arbitrary<Parts>, bodies: Arbitrary<Json>): Arbitrary<Case> {
  return fc
    .tuple(valid, bodies)
    .filter(([, body]) => !isReadOtherwise(body))
    .map(([parts, body]) => rejectedWith(400, compose({ ...parts, body })))
    .filter(({ request: { body } }) => (body?.length ?? 0) <= limits.body);
}

/** Whether the gateway reads a tool parameter as another value, which may be valid. */
function isReadOtherwise(body: Json): boolean {
  const read = structuredClone(body);
  readParamForms(read);
  return !isDeepStrictEqual(read, body);
}

/** A body with a duplicate key, spelled identically or with an escape sequence. */
function repeatedKey(valid: Arbitrary<Parts>): Arbitrary<Case> {
  return fc
    .tuple(valid, fc.nat(), fc.boolean())
    .map(([parts, draw, isEscaped]) => {
      const keys = Object.keys(parts.body ?? {});
      const key = keys[draw % keys.length] ?? "";
      const code = key.charCodeAt(0).toString(16).padStart(4, "0");
      const spelled = isEscaped ? `"\\u${code}${key.slice(1)}"` : JSON.stringify(key);
      const request = compose(parts);
      const text = request.body?.toString() ?? "";
      return rejectedWith(400, { ...request, body: Buffer.from(`{${spelled}:0,${text.slice(1)}`) });
    })
    .filter(({ request: { body } }) => (body?.length ?? 0) <= limits.body);
}

function repeatedParameter(valid: Arbitrary<Parts>): Arbitrary<Case> {
  const parameters = fc.constantFrom(
    "charset=utf-8; charset=utf-16",
    "charset=utf-8;Charset=utf-8",
    "a=b; c=d; a=b",
  );
  return fc.tuple(valid, parameters).map(([parts, given]) => {
    const style = { ...parts.style, contentType: `application/json; ${given}` };
    return rejectedWith(400, compose({ ...parts, style }));
  });
}

/** Steps that do not form a DAG. */
const invalidGraphs: readonly Json[] = [
  [step("a", "a")],
  [step("a", "b"), step("b", "c"), step("c", "a")],
  [step("a"), step("a")],
  [step("a", "missing")],
  [step("constructor", "toString")],
  Array.from({ length: 256 }, (_, index) => step(`s${index}`, `s${(index + 1) % 256}`)),
];

function step(id: string, ...dependsOn: string[]): Json {
  return { id, tool: "af2", depends_on: dependsOn };
}

/** Filters whose bounds exclude every value. */
const contradictoryFilters: readonly Json[] = [
  [{ metric: "m", min: 1, max: 0 }],
  [{ metric: "m" }, { metric: "n", min: -1e-300, max: -1 }],
];

/** Purchases that Stripe rejects, or whose pages have no URL that a browser would open. */
const wrongPurchases: readonly Json[] = [
  { credits: 49, success_url: "https://a.example", cancel_url: "https://a.example" },
  ...["https://", "https://[", "https://a:b@c.example", "http://localhost:x", "https://a.example:65536"].map(
    (url) => ({ credits: 50, success_url: "https://a.example", cancel_url: url }),
  ),
];

/** Bodies that match a schema but break a rule. */
const wrongContents: readonly Json[] = [
  ...invalidGraphs.map((steps) => ({ name: "invalid", steps })),
  ...contradictoryFilters.map((filters) => ({ metric: "m", filters })),
  ...wrongPurchases,
];

function wrongContent(valid: Arbitrary<Parts>): Arbitrary<Case> {
  return fc
    .tuple(valid, fc.constantFrom(...wrongContents))
    .map(([parts, body]) => rejectedWith(400, compose({ ...parts, body })));
}

/** Headers that declare a JSON body to be something else. */
const wrongTypes: readonly (readonly [name: string, value: string])[] = [
  ["Content-Type", ""],
  ["Content-Type", "text/plain"],
  ["Content-Type", "application/json; charset=latin1"],
  ["Content-Type", "application/json, text/plain"],
  ["Content-Type", "application/jsonx"],
  ["Content-Type", "application/merge-patch+json"],
  ["Content-Type", "multipart/form-data; boundary=x"],
  ["Content-Encoding", "gzip"],
  ["Content-Encoding", "br, gzip"],
  ["Content-Encoding", "nonsense"],
];

function wrongType(valid: Arbitrary<Parts>): Arbitrary<Case> {
  return fc.tuple(valid, fc.constantFrom(...wrongTypes)).map(([parts, [name, value]]) => {
    const request = compose(parts);
    const headers = [...request.headers.filter((header) => header[0] !== name), [name, value] as const];
    return rejectedWith(415, { ...request, headers });
  });
}

function tooLarge(valid: Arbitrary<Parts>): Arbitrary<Case> {
  const body = Buffer.alloc(limits.body + 1, " ");
  return valid.map((parts) => rejectedWith(413, { ...compose(parts), body }));
}
