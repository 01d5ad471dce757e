import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Json } from "./contract.ts";

/** Short JSON values, and texts that resemble JSON, on which parsers and their callers are known to fail. */
const specialValues: readonly string[] = [
  ...["1e400", "-1e400", "1e-400", "-0", "0.1e1", "9007199254740993", "18446744073709551616", "1E+2"],
  ...["01", "+1", ".5", "1.", "0x1F", "NaN", "Infinity", "-Infinity", "undefined", "1_000", "1n"],
  ...[
    '"\\u0000"',
    '"\0"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u2028"',
    '"\ufeff"',
    '"\\x41"',
    '"\\u{41}"',
    '"',
  ],
  ...[
    '{"__proto__":{"a":1}}',
    '{"constructor":{"prototype":{"a":1}}}',
    '{"a":1,"a":2}',
    '{"":0}',
    '{"\\ud800":1}',
  ],
  ...["'a'", "/* */1", "[1,]", "{,}", "{a:1}", "[", "}", "", " ", "true false", "nul", "TRUE"],
  '{"hasOwnProperty":1,"toString":2,"valueOf":3,"toJSON":4,"then":5,"length":6}',
  '{"$ref":"#/components/schemas/Error","$schema":"x","$id":"y"}',
];

const listOf = (length: number) => `[${Array.from({ length }, () => "0").join(",")}]`;

const objectOf = (length: number) => `{${Array.from({ length }, (_, index) => `"k${index}":"v"`).join(",")}}`;

/** Values that are deep, long or have many items. */
const largeValues: readonly string[] = [
  ...[31, 32, 33, 34, 1000, 10_000].flatMap((depth) => [
    "[".repeat(depth) + "]".repeat(depth),
    `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`,
    "[".repeat(depth),
  ]),
  ...[400, 10_000].flatMap((digits) => [
    "9".repeat(digits),
    `0.${"3".repeat(digits)}`,
    `1e${"9".repeat(digits)}`,
  ]),
  ...[128, 129, 256, 257, 4097, 70_000].map((length) => JSON.stringify("x".repeat(length))),
  ...[256, 257, 10_000].map(listOf),
  ...[64, 65, 256, 257, 10_000].map(objectOf),
];

const mebibyte = 1024 * 1024;

/** Values that bring the body close to its size limit. */
const hugeValues: readonly string[] = [
  ...[mebibyte - 2000, mebibyte - 500].map((length) => JSON.stringify("x".repeat(length))),
  "9".repeat(mebibyte - 1000),
  "[".repeat(500_000) + "]".repeat(500_000),
  JSON.stringify({ ["k".repeat(mebibyte - 2000)]: "v" }),
  objectOf(70_000),
];

const anyHostileValue = fc.oneof(
  { arbitrary: fc.constantFrom(...specialValues), weight: 12 },
  { arbitrary: fc.constantFrom(...largeValues), weight: 7 },
  fc.constantFrom(...hugeValues),
);

/** A placeholder for the hostile value until the text is serialized. */
const marker = "@the hostile value@";

/** Serializes a body with one hostile value at any depth, and possibly a duplicate key. */
export const withHostileValue: Arbitrary<(body: Json) => string> = fc
  .tuple(fc.nat(), anyHostileValue, fc.constantFrom("", '"name":"twice",', '"__proto__":{"a":1},'))
  .map(([draw, hostile, first]) => (body) => {
    const paths = pathsIn(body);
    const replacedBody = replaced(body, paths[draw % paths.length] ?? [], marker);
    const text = JSON.stringify(replacedBody).replace(JSON.stringify(marker), () => hostile);
    return text.startsWith("{") ? `{${first}${text.slice(1)}` : text;
  });

type Path = readonly (string | number)[];

/** The paths of a value and of all values in it. */
function pathsIn(value: Json): Path[] {
  const below =
    typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, item]) => pathsIn(item).map((path) => [key, ...path]))
      : [];
  return [[], ...below];
}

function replaced(value: Json, [key, ...rest]: Path, by: Json): Json {
  if (key === undefined || typeof value !== "object" || value === null) return by;
  if (Array.isArray(value)) {
    return value.map((item, index) => (index === Number(key) ? replaced(item, rest, by) : item));
  }
  return { ...value, [key]: replaced(value[key] ?? null, rest, by) };
}
