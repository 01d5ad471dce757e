import { isDeepStrictEqual } from "node:util";
import { changeOf, keysOf, textOf } from "./comparison.ts";
import type { Comparison } from "./comparison.ts";
import { arrayOr, isObject, objectOr, resolved } from "./openapi-document.ts";
import type { JsonObject } from "./openapi-document.ts";
import { breaks, effectOf, lossBy } from "./schema-effects.ts";
import type { Direction, Effect } from "./schema-effects.ts";

/** Two schemas to compare: where the older one is, and who sends what it describes. */
export interface Place {
  readonly where: string;
  readonly direction: Direction;
  /** Whether the schema restricts properties that another one declares: a property that it adds is a restriction. */
  readonly isCondition?: boolean;
}

/** A keyword of two schemas, and its values; undefined where a schema does not have it. */
interface Keyword {
  readonly name: string;
  readonly was: unknown;
  readonly is: unknown;
  readonly before: JsonObject;
  readonly after: JsonObject;
  readonly at: Place;
  readonly comparison: Comparison;
}

/** Compares the keywords that contain schemas, or names of properties or values. */
const structures: Readonly<Record<string, (keyword: Keyword) => void>> = {
  properties: compareProperties,
  required: compareRequired,
  additionalProperties: compareAdditional,
  unevaluatedProperties: compareAdditional,
  patternProperties: comparePatternProperties,
  enum: compareEnum,
  "x-extensible-enum": compareExtensibleEnum,
  items: (keyword) => compareParts(keyword, "[]"),
  propertyNames: (keyword) => compareParts(keyword, " propertyNames"),
  contentSchema: (keyword) => compareParts(keyword, " contentSchema"),
  allOf: compareAll,
  oneOf: compareAlternatives,
  anyOf: compareAlternatives,
  if: compareCondition,
  then: compareConsequence,
  else: compareConsequence,
};

/** Reports what breaks clients when a schema becomes another. One that is left out allows every value. */
export function compareSchemas(comparison: Comparison, place: Place, given: unknown, now: unknown): void {
  const { direction } = place;
  const { schema: before, name } = schemaOf(comparison.before, given, direction);
  const { schema: after, name: nameAfter } = schemaOf(comparison.after, now, direction);
  // The name of a renamed schema is reported once, with the components.
  const isOther = name !== nameAfter && hasSchema(comparison.after, name);
  const at = { ...place, where: (isOther ? undefined : name) ?? place.where };
  if (name !== undefined || nameAfter !== undefined) {
    const pair = [direction, name ?? at.where, nameAfter ?? at.where].join(" ");
    if (comparison.visited.has(pair)) return;
    comparison.visited.add(pair);
    if (name !== undefined) comparison.reached.add(name);
  }
  if (isOther && isGeneratedType(before))
    comparison.report(at.where, `is no longer ${textOf(name)}`, "generated clients have another type");
  for (const keyword of keysOf(before, after)) {
    const compare = structures[keyword] ?? compareValues;
    compare({ name: keyword, was: before[keyword], is: after[keyword], before, after, at, comparison });
  }
}

/** Reports an effect on the schema, or on the part of it at `where`, if it breaks clients. */
function report({ name, at, comparison }: Keyword, effect: Effect, what: string, where = at.where): void {
  if (breaks(at.direction, name, effect)) comparison.report(where, what, lossBy(at.direction, name, effect));
}

/** Compares the schemas of a part of the values, such as the items of an array. */
function compareParts({ was, is, at, comparison }: Keyword, part: string): void {
  compareSchemas(comparison, { where: `${at.where}${part}`, direction: at.direction }, was, is);
}

function compareValues(keyword: Keyword): void {
  const { name, was, is } = keyword;
  report(keyword, effectOf(name, was, is), changeOf(name, was, is));
}

function compareProperties(keyword: Keyword): void {
  const { was, is, at, comparison } = keyword;
  const [properties, successors] = [objectOr(was), objectOr(is)];
  for (const name of Object.keys({ ...properties, ...successors })) {
    const where = `${at.where}.${name}`;
    if (name in properties && name in successors)
      compareParts({ ...keyword, was: properties[name], is: successors[name] }, `.${name}`);
    else if (at.isCondition === true)
      report(keyword, name in successors ? "narrows" : "widens", "has another condition", where);
    else if (name in properties)
      comparison.report(
        where,
        "is gone",
        at.direction === "response" ? "clients no longer receive it" : "clients can no longer send it",
      );
  }
}

function compareRequired(keyword: Keyword): void {
  const { was, is, before, after, at } = keyword;
  const [names, successors] = [arrayOr(was).map(String), arrayOr(is).map(String)];
  for (const name of successors)
    if (!names.includes(name)) report(keyword, "narrows", "is required now", `${at.where}.${name}`);
  for (const name of names) {
    const isGone = name in objectOr(before["properties"]) && !(name in objectOr(after["properties"]));
    if (!successors.includes(name) && !isGone)
      report(keyword, "widens", "is no longer required", `${at.where}.${name}`);
  }
}

/** Properties that a schema does not name: clients rely on their rejection in requests, and ignore new ones in responses. */
function compareAdditional(keyword: Keyword): void {
  const { name, was, is, at, comparison } = keyword;
  const what = changeOf(name, was, is);
  if (was !== false && is !== false) {
    compareParts(keyword, "{}");
  } else if (at.direction !== "response") {
    if (is !== false) comparison.report(at.where, what, "a misspelt property no longer gets 400");
    else if (was !== false) report(keyword, "narrows", what);
  } else if (was !== undefined && was !== false) {
    comparison.report(at.where, what, "clients no longer receive them");
  }
}

function comparePatternProperties(keyword: Keyword): void {
  const { at } = keyword;
  const [was, is] = [objectOr(keyword.was), objectOr(keyword.is)];
  for (const pattern of Object.keys({ ...was, ...is })) {
    const part = `{${textOf(pattern)}}`;
    if (!(pattern in is)) report(keyword, "changes", "is gone", at.where + part);
    else if (!(pattern in was)) report(keyword, "narrows", "is new", at.where + part);
    else compareParts({ ...keyword, was: was[pattern], is: is[pattern] }, part);
  }
}

function compareEnum(keyword: Keyword): void {
  const { was, is } = keyword;
  if (!Array.isArray(was) || !Array.isArray(is)) return compareValues(keyword);
  // Generated code has a constant for each value, so that none may go, not even from responses.
  for (const value of was)
    if (!is.includes(value)) report(keyword, "changes", `value ${textOf(value)} is gone`);
  for (const value of is)
    if (!was.includes(value)) report(keyword, "widens", `value ${textOf(value)} is new`);
}

/** Compares the known values of an enum that later versions may extend, or close. */
function compareExtensibleEnum(keyword: Keyword): void {
  const remaining = [...arrayOr(keyword.is), ...arrayOr(keyword.after["enum"])];
  for (const value of arrayOr(keyword.was))
    if (!remaining.includes(value)) report(keyword, "changes", `value ${textOf(value)} is gone`);
}

function compareAll({ was, is, at, comparison }: Keyword): void {
  for (const [member, successor] of pairs(was, is)) compareSchemas(comparison, at, member, successor);
}

function compareAlternatives(keyword: Keyword): void {
  const { name, was, is, at, comparison } = keyword;
  if (was === undefined) return report(keyword, "narrows", `${name} is new`);
  if (is === undefined) return report(keyword, "changes", `${name} is gone`);
  for (const [alternative, successor] of pairs(was, is))
    if (successor === undefined) report(keyword, "narrows", `${name} lost ${textOf(alternative)}`);
    else if (alternative === undefined) report(keyword, "widens", `${name} has ${textOf(successor)} now`);
    else compareSchemas(comparison, at, alternative, successor);
}

/** Compares which values a `then` is for. What is new or gone altogether shows in the `then`. */
function compareCondition({ was, is, at, comparison }: Keyword): void {
  if (was === undefined || is === undefined) return;
  compareSchemas(comparison, { where: `${at.where} if`, direction: "either", isCondition: true }, was, is);
}

function compareConsequence({ was, is, at, comparison }: Keyword): void {
  compareSchemas(comparison, { ...at, isCondition: true }, was, is);
}

/** The schema that `value` is or refers to, with the constraints that hold for requests only. */
function schemaOf(document: JsonObject, value: unknown, direction: Direction) {
  if (value === false) return { schema: { not: {} }, name: undefined };
  const { value: found, name } = resolved(document, value);
  const { "x-constraints": constraints, ...schema } = found;
  return { name, schema: direction === "response" ? schema : { ...schema, ...objectOr(constraints) } };
}

function hasSchema(document: JsonObject, name: string | undefined): boolean {
  return name !== undefined && name in objectOr(objectOr(document["components"])["schemas"]);
}

/** Whether generators make a type of its own of the schema. */
function isGeneratedType(schema: JsonObject): boolean {
  return isObject(schema["properties"]) || Array.isArray(schema["enum"]);
}

/** Pairs equal members of two lists, then the others in their order; undefined is a member that the other list lacks. */
function pairs(before: unknown, after: unknown): [before: unknown, after: unknown][] {
  const others = [...arrayOr(after)];
  const [equal, unequal]: [unknown[], unknown[]] = [[], []];
  for (const member of arrayOr(before)) {
    const at = others.findIndex((other) => isDeepStrictEqual(member, other));
    if (at >= 0) others.splice(at, 1);
    (at >= 0 ? equal : unequal).push(member);
  }
  const length = Math.max(unequal.length, others.length);
  return [
    ...equal.map((member): [unknown, unknown] => [member, member]),
    ...Array.from({ length }, (_, at): [unknown, unknown] => [unequal[at], others[at]]),
  ];
}
