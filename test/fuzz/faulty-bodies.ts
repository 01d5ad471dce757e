import fc from "fast-check";
import type { Arbitrary, WeightedArbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts } from "./compose.ts";
import type { Json } from "./contract.ts";
import { refusedAs } from "./oracle.ts";
import type { Case } from "./oracle.ts";
import { limits } from "./sound-requests.ts";

/**
 * Sound requests but for their bodies: one of `invalid`, one that is at odds with itself, another type, one that is too
 * large.
 */
export function faultyBodiesOf(sound: Arbitrary<Parts>, invalid: Arbitrary<Json>): WeightedArbitrary<Case>[] {
  return [
    { arbitrary: wrongBody(sound, invalid), weight: 15 },
    {
      arbitrary: fc.oneof(
        wrongContent(sound),
        wrongType(sound),
        repeatedKey(sound),
        repeatedParameter(sound),
      ),
      weight: 6,
    },
    { arbitrary: tooLarge(sound), weight: 1 },
  ];
}

function wrongBody(sound: Arbitrary<Parts>, bodies: Arbitrary<Json>): Arbitrary<Case> {
  return fc
    .tuple(sound, bodies)
    .map(([parts, body]) => refusedAs(400, compose({ ...parts, body })))
    .filter(({ request: { body } }) => (body?.length ?? 0) <= limits.body);
}

/** A body that has one of its keys twice, spelled alike or with an escape sequence. */
function repeatedKey(sound: Arbitrary<Parts>): Arbitrary<Case> {
  return fc
    .tuple(sound, fc.nat(), fc.boolean())
    .map(([parts, draw, isEscaped]) => {
      const keys = Object.keys(parts.body ?? {});
      const key = keys[draw % keys.length] ?? "";
      const code = key.charCodeAt(0).toString(16).padStart(4, "0");
      const spelled = isEscaped ? `"\\u${code}${key.slice(1)}"` : JSON.stringify(key);
      const request = compose(parts);
      const text = request.body?.toString() ?? "";
      return refusedAs(400, { ...request, body: Buffer.from(`{${spelled}:0,${text.slice(1)}`) });
    })
    .filter(({ request: { body } }) => (body?.length ?? 0) <= limits.body);
}

function repeatedParameter(sound: Arbitrary<Parts>): Arbitrary<Case> {
  const parameters = fc.constantFrom(
    "charset=utf-8; charset=utf-16",
    "charset=utf-8;Charset=utf-8",
    "a=b; c=d; a=b",
  );
  return fc.tuple(sound, parameters).map(([parts, given]) => {
    const style = { ...parts.style, contentType: `application/json; ${given}` };
    return refusedAs(400, compose({ ...parts, style }));
  });
}

/** Steps that are no DAG. */
const brokenGraphs: readonly Json[] = [
  [step("a", "a")],
  [step("a", "b"), step("b", "c"), step("c", "a")],
  [step("a"), step("a")],
  [step("a", "nobody")],
  [step("constructor", "toString")],
  Array.from({ length: 256 }, (_, index) => step(`s${index}`, `s${(index + 1) % 256}`)),
];

function step(id: string, ...dependsOn: string[]): Json {
  return { id, tool: "af2", depends_on: dependsOn };
}

/** Bounds that leave nothing between them. */
const crossedBounds: readonly Json[] = [
  [{ metric: "m", min: 1, max: 0 }],
  [{ metric: "m" }, { metric: "n", min: -1e-300, max: -1 }],
];

/** Bodies that no operation takes, though some schema wants each part of them. */
const wrongContents: readonly Json[] = [
  ...brokenGraphs.map((steps) => ({ name: "broken", steps })),
  ...crossedBounds.map((filters) => ({ metric: "m", filters })),
];

function wrongContent(sound: Arbitrary<Parts>): Arbitrary<Case> {
  return fc
    .tuple(sound, fc.constantFrom(...wrongContents))
    .map(([parts, body]) => refusedAs(400, compose({ ...parts, body })));
}

/** What says that a body is no JSON, though it is. */
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

function wrongType(sound: Arbitrary<Parts>): Arbitrary<Case> {
  return fc.tuple(sound, fc.constantFrom(...wrongTypes)).map(([parts, [name, value]]) => {
    const request = compose(parts);
    const headers = [...request.headers.filter((header) => header[0] !== name), [name, value] as const];
    return refusedAs(415, { ...request, headers });
  });
}

function tooLarge(sound: Arbitrary<Parts>): Arbitrary<Case> {
  const body = Buffer.alloc(limits.body + 1, " ");
  return sound.map((parts) => refusedAs(413, { ...compose(parts), body }));
}
