import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Json } from "./contract.ts";

/** Short texts of values, and texts that only look like one: what parsers and their callers stumble over. */
const oddValues: readonly string[] = [
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

const listOf = (length: number) => JSON.stringify(Array.from({ length }, () => 0));

const objectOf = (length: number) =>
  JSON.stringify(Object.fromEntries(Array.from({ length }, (_, index) => [`k${index}`, "v"])));

/** Values that are deep, long or many. */
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

/** Values that take the body to its limit. */
const hugeValues: readonly string[] = [
  ...[mebibyte - 2000, mebibyte - 500].map((length) => JSON.stringify("x".repeat(length))),
  "9".repeat(mebibyte - 1000),
  "[".repeat(500_000) + "]".repeat(500_000),
  JSON.stringify({ ["k".repeat(mebibyte - 2000)]: "v" }),
  objectOf(70_000),
];

const anyOddValue = fc.oneof(
  { arbitrary: fc.constantFrom(...oddValues), weight: 12 },
  { arbitrary: fc.constantFrom(...largeValues), weight: 7 },
  fc.constantFrom(...hugeValues),
);

/** What stands for the odd value until the text is written. */
const marker = "@the odd value@";

/** Makes the text of a body in which one value, at any depth, is an odd one, and maybe one key is there twice. */
export const withOddValue: Arbitrary<(body: Json) => string> = fc
  .tuple(fc.nat(), anyOddValue, fc.constantFrom("", '"name":"twice",', '"__proto__":{"a":1},'))
  .map(([draw, odd, first]) => (body) => {
    const places = placesIn(body);
    const spoilt = replaced(body, places[draw % places.length] ?? [], marker);
    const text = JSON.stringify(spoilt).replace(JSON.stringify(marker), () => odd);
    return text.startsWith("{") ? `{${first}${text.slice(1)}` : text;
  });

type Place = readonly (string | number)[];

/** Every place of a value, its own included. */
function placesIn(value: Json): Place[] {
  const below =
    typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, item]) => placesIn(item).map((place) => [key, ...place]))
      : [];
  return [[], ...below];
}

function replaced(value: Json, [key, ...rest]: Place, by: Json): Json {
  if (key === undefined || typeof value !== "object" || value === null) return by;
  if (Array.isArray(value)) {
    return value.map((item, index) => (index === Number(key) ? replaced(item, rest, by) : item));
  }
  return { ...value, [key]: replaced(value[key] ?? null, rest, by) };
}
