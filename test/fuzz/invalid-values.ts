import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Json, Schema } from "./contract.ts";
import { typesOf, valuesOf, variantsOf } from "./schema-values.ts";
import type { Resolve } from "./schema-values.ts";

/** Values with exactly one violation of a schema, at any depth. */
export function invalidValuesOf(schema: Schema, resolve: Resolve): Arbitrary<Json> {
  const variants = variantsOf(resolve(schema), resolve);
  const violations = variants.flatMap((variant) => [
    wrongType(variant),
    ...typesOf(variant).flatMap((type) => invalidOfType(type, variant, resolve)),
  ]);
  return fc.oneof(...violations);
}

/** One value of each type. */
const samples: Readonly<Record<string, Json>> = {
  null: null,
  boolean: true,
  integer: 7,
  number: 7.5,
  string: "7",
  array: [],
  object: {},
};

function wrongType(schema: Schema): Arbitrary<Json> {
  const allowed = typesOf(schema).flatMap((type) => (type === "number" ? ["number", "integer"] : [type]));
  return fc.constantFrom(
    ...Object.entries(samples).flatMap(([type, sample]) => (allowed.includes(type) ? [] : [sample])),
  );
}

function invalidOfType(type: string, schema: Schema, resolve: Resolve): Arbitrary<Json>[] {
  switch (type) {
    case "string":
      return invalidTextsOf(schema);
    case "integer":
    case "number":
      return invalidNumbersOf(schema);
    case "array":
      return invalidListsOf(schema, resolve);
    case "object":
      return invalidObjectsOf(schema, resolve);
    default:
      return [];
  }
}

/** Strings that a schema rejects. */
export function invalidTextsOf(schema: Schema): Arbitrary<string>[] {
  const { enum: choices, const: only, minLength = 0, maxLength = Infinity, pattern } = schema;
  const values = choices ?? (only === undefined ? undefined : [only]);
  if (values !== undefined) return [fc.string().filter((text) => !values.includes(text))];
  const matches = pattern === undefined ? undefined : new RegExp(pattern, "u");
  const unusualText = fc.oneof(fc.string(), fc.constantFrom("\0", "\n", "\u007f", "=", "", "..", "a/b"));
  return [
    ...(minLength > 0 ? [fc.constant("")] : []),
    ...(maxLength < 1_000_000
      ? [fc.integer({ min: 1, max: 40 }).map((more) => "x".repeat(maxLength + more))]
      : []),
    ...(matches === undefined ? [] : [unusualText.filter((text) => !matches.test(text))]),
  ];
}

function invalidNumbersOf({ minimum, maximum, ...schema }: Schema): Arbitrary<number>[] {
  const isInteger = typesOf(schema).includes("integer");
  return [
    ...(isInteger ? [fc.constantFrom(0.5, -1.5, 1e-300)] : []),
    ...(minimum === undefined ? [] : [fc.constantFrom(minimum - 1, -1e300)]),
    ...(maximum === undefined ? [] : [fc.constantFrom(maximum + 1, 2 ** 64, 1e300)]),
  ];
}

function invalidListsOf(schema: Schema, resolve: Resolve): Arbitrary<Json[]>[] {
  const { items, minItems = 0, maxItems, uniqueItems = false } = schema;
  if (items === undefined) return [];
  const item = valuesOf(items, resolve);
  const list = fc.array(item, { maxLength: 3 });
  return [
    fc.tuple(list, invalidValuesOf(items, resolve)).map(([valid, invalid]) => [...valid, invalid]),
    ...(minItems > 0 ? [fc.constant<Json[]>([])] : []),
    ...(uniqueItems ? [item.map((value) => [value, value])] : []),
    // Longer lists of large items would exceed the size of a body, which is another violation.
    ...(maxItems === undefined || maxItems > 10_000
      ? []
      : [item.map((value) => Array.from({ length: maxItems + 1 }, () => value))]),
  ];
}

function invalidObjectsOf(schema: Schema, resolve: Resolve): Arbitrary<Json>[] {
  const { properties = {}, required = [], additionalProperties: more = true, propertyNames } = schema;
  const valid = valuesOf({ ...schema, type: "object" }, resolve) as Arbitrary<{ [key: string]: Json }>;
  const withKey = (key: Arbitrary<string>, item: Arbitrary<Json>) =>
    fc.tuple(valid, key, item).map(([value, name, invalid]) => ({ ...value, [name]: invalid }));
  const ofKey = more === false || more === true ? fc.constant(1) : valuesOf(more, resolve);
  return [
    ...Object.entries(properties).map(([name, property]) =>
      withKey(fc.constant(name), invalidValuesOf(property, resolve)),
    ),
    ...required.map((name) => valid.map((value) => without(value, name))),
    ...(more === false ? [withKey(unknownKey(properties), ofKey)] : []),
    ...(typeof more === "object" ? [withKey(fc.constant("k"), invalidValuesOf(more, resolve))] : []),
    ...(propertyNames === undefined
      ? []
      : invalidTextsOf(resolve(propertyNames)).map((key) => withKey(key, ofKey))),
    ...(more === false ? [] : tooMany(schema, ofKey)),
  ];
}

function without(value: { [key: string]: Json }, name: string): Json {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));
}

function unknownKey(properties: object): Arbitrary<string> {
  const special = fc.constantFrom("__proto__", "constructor", "toString", "");
  return fc.oneof(fc.string(), special).filter((name) => !Object.hasOwn(properties, name));
}

function tooMany({ maxProperties }: Schema, ofKey: Arbitrary<Json>): Arbitrary<Json>[] {
  if (maxProperties === undefined) return [];
  const keys = Array.from({ length: maxProperties + 1 }, (_, index) => `k${index}`);
  return [ofKey.map((item) => Object.fromEntries(keys.map((key) => [key, item])))];
}
