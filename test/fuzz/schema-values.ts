import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { FuzzContract, Json, Schema } from "./contract.ts";

/** Resolves references. */
export type Resolve = FuzzContract["resolve"];

const surrogates = { first: 0xd800, count: 0x800 };

/** Any code point except surrogates, which UTF-8 cannot encode. fast-check's own arbitrary would list all of them first. */
const character = fc
  .integer({ min: 0, max: 0x10ffff - surrogates.count })
  .map((rank) => String.fromCodePoint(rank < surrogates.first ? rank : rank + surrogates.count));

const anyText = fc.oneof(
  { arbitrary: fc.string({ unit: "grapheme-ascii" }), weight: 3 },
  { arbitrary: fc.string({ unit: character }), weight: 1 },
);

/** Any key except `__proto__`, which the contract rejects. */
const anyKey = anyText.filter((key) => key !== "__proto__");

/** Any JSON value of limited depth. */
export const anyJson: Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    anyText,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(anyKey, tie("value"), { maxKeys: 5 }),
  ),
})).value;

/** Values that a schema allows, most of them small. */
export function valuesOf(schema: Schema, resolve: Resolve): Arbitrary<Json> {
  const known = variantsOf(resolve(schema), resolve);
  return fc.oneof(
    ...known.flatMap((variant) => typesOf(variant).map((type) => ofType(type, variant, resolve))),
  );
}

/** The alternatives of a schema with conditions, or the schema itself. */
export function variantsOf(schema: Schema, resolve: Resolve): readonly Schema[] {
  const { allOf, ...base } = schema;
  if (allOf === undefined) return [schema];
  return allOf.map((condition) => {
    const properties: Record<string, Schema> = { ...base.properties };
    for (const part of [condition.if, condition.then]) {
      for (const [name, property] of Object.entries(part.properties ?? {}))
        properties[name] = { ...resolve(properties[name] ?? {}), ...resolve(property) };
    }
    return { ...base, properties };
  });
}

/** The types that a schema allows. */
export function typesOf({ type }: Schema): readonly string[] {
  return type === undefined ? [] : [type].flat();
}

function ofType(type: string, schema: Schema, resolve: Resolve): Arbitrary<Json> {
  switch (type) {
    case "string":
      return textOf(schema);
    case "integer":
      return fc.integer({
        min: schema.minimum ?? Number.MIN_SAFE_INTEGER,
        max: schema.maximum ?? Number.MAX_SAFE_INTEGER,
      });
    case "number": {
      const { minimum: min, maximum: max } = schema;
      return fc.double({
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        noNaN: true,
        noDefaultInfinity: true,
      });
    }
    case "boolean":
      return fc.boolean();
    case "array":
      return listOf(schema, resolve);
    case "object":
      return objectOf(schema, resolve);
    default:
      throw new Error(`the fuzz test has no values of type ${type}`);
  }
}

/** Strings that a schema allows, occasionally of the maximum length. */
export function textOf({ enum: choices, const: only, pattern, ...schema }: Schema): Arbitrary<string> {
  if (only !== undefined) return fc.constant(only);
  if (choices !== undefined) return fc.constantFrom(...choices);
  const { minLength = 0, maxLength = Infinity } = schema;
  const matches = pattern === undefined ? undefined : new RegExp(pattern, "u");
  const isAllowed = (text: string) => {
    const length = Array.from(text).length;
    return length >= minLength && length <= maxLength && (matches?.test(text) ?? true);
  };
  const text = (pattern === undefined ? anyText : fc.oneof(matching(pattern), anyText)).filter(isAllowed);
  if (maxLength > maxRepeated) return text;
  const longest = text.map((short) => {
    const long = String.fromCodePoint(short.codePointAt(0) ?? 97).repeat(maxLength);
    return isAllowed(long) ? long : short;
  });
  return fc.oneof({ arbitrary: text, weight: 20 }, longest);
}

/** Largest maximum length that is generated, since bodies have a limit too. */
const maxRepeated = 4096;

/** Strings that match a pattern without its lookaheads, which fast-check does not support. A filter applies them. */
function matching(pattern: string): Arbitrary<string> {
  return fc.stringMatching(new RegExp(pattern.replaceAll(/\(\?!(?:[^()]|\([^()]*\))*\)/g, ""), "u"));
}

function listOf(schema: Schema, resolve: Resolve): Arbitrary<Json[]> {
  const { items, minItems: minLength = 0, maxItems: maxLength = 100, uniqueItems = false } = schema;
  const item = items === undefined ? anyJson : valuesOf(items, resolve);
  return uniqueItems
    ? fc.uniqueArray(item, { minLength, maxLength, selector: (value) => JSON.stringify(value) })
    : fc.array(item, { minLength, maxLength });
}

function objectOf(schema: Schema, resolve: Resolve): Arbitrary<{ [key: string]: Json }> {
  const { properties = {}, required = [], additionalProperties = true, propertyNames } = schema;
  const model = Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, valuesOf(property, resolve)]),
  );
  const known: Arbitrary<{ [key: string]: Json }> = fc.record(model, { requiredKeys: [...required] });
  if (additionalProperties === false) return known;
  const key = (propertyNames === undefined ? anyKey : textOf(resolve(propertyNames))).filter(
    (name) => name !== "__proto__" && !Object.hasOwn(properties, name),
  );
  const value = additionalProperties === true ? anyJson : valuesOf(additionalProperties, resolve);
  return fc
    .tuple(fc.dictionary(key, value, { maxKeys: 5 }), known)
    .map(([more, own]) => ({ ...more, ...own }));
}
