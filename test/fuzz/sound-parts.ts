import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { FuzzOperation, Json, Parameter } from "./contract.ts";
import { textOf, valuesOf } from "./schema-values.ts";
import type { Resolve } from "./schema-values.ts";

/** The values of an operation's parameters, by name: a text, or a list of texts. */
export type ParameterValues = Readonly<Record<string, string | readonly string[]>>;

/** What every request may rely on that comes from behind the gateway. */
export interface Known {
  /** Keys of artifacts that every workflow has. */
  readonly artifactKeys: readonly string[];
  /** Files that the page loads. */
  readonly pageFiles: readonly string[];
  /** The token of the admin. */
  readonly adminToken: string;
  /** A good API key. */
  readonly apiKey: string;
  /** The JSON of large submissions, by what are their workflows' ids and the tokens of pages full of them. */
  readonly largeBodies: Readonly<Record<string, string>>;
}

const maxEventId = 2n ** 64n - 1n;

/** What a schema does not say of a parameter, by its name. */
function hints({ artifactKeys, pageFiles }: Known): Readonly<Record<string, Arbitrary<string>>> {
  const byte = fc.integer({ min: 0, max: 20 });
  const tag = fc.constantFrom("*", '"a"', 'W/"a", "b"');
  return {
    key: fc.constantFrom(...artifactKeys),
    file: fc.constantFrom(...pageFiles),
    // Every workflow has ended: none is waited for.
    Prefer: fc.constantFrom("wait=60", 'respond-async, WAIT = "5"; x', "wait=x", "return=minimal"),
    "Last-Event-ID": fc.bigInt({ min: 0n, max: maxEventId }).map(String),
    lastEventId: fc.bigInt({ min: 0n, max: maxEventId }).map(String),
    Range: fc.tuple(byte, byte).map(([start, length]) => `bytes=${start}-${start + length}`),
    "If-Range": tag,
    "If-Match": tag,
    "If-None-Match": tag,
    "If-Unmodified-Since": fc.constantFrom(
      "yesterday",
      "Mon, 05 Jan 2026 09:00:00 GMT",
      "Sun Nov  6 08:49:37 1994",
    ),
  };
}

/** Sound values of the parameters; those that are not required are there or not. */
export function soundParameters(
  { parameters }: FuzzOperation,
  known: Known,
  resolve: Resolve,
): Arbitrary<ParameterValues> {
  const hint = hints(known);
  const model = Object.fromEntries(
    parameters.map((parameter) => [parameter.name, hint[parameter.name] ?? soundValue(parameter, resolve)]),
  );
  const requiredKeys = parameters.flatMap(({ name, required = false }) => (required ? [name] : []));
  return fc.record(model, { requiredKeys });
}

function soundValue(parameter: Parameter, resolve: Resolve): Arbitrary<string | string[]> {
  const { schema } = parameter;
  if (schema.type === "array") {
    // Two values for one label are refused.
    const key = (label: string) => label.split("=")[0];
    return fc.uniqueArray(textOf(resolve(schema.items ?? {})), { minLength: 1, maxLength: 5, selector: key });
  }
  if (schema.type === "string")
    return textOf(schema).filter(parameter.in === "header" ? fitsHeader : () => true);
  return valuesOf(schema, resolve).map(String);
}

/** Spaces around a header's value are no part of it. */
function fitsHeader(text: string): boolean {
  return /^[ -~]*$/.test(text) && text === text.trim();
}

/** A body that is sound but, maybe, for what no schema says, with what is: its steps a DAG, its bounds in order. */
export function withSoundContent(body: Json, isReversed: boolean): Json {
  const { steps, filters, ...rest } = body as { [other: string]: Json };
  if (steps !== undefined) return withSoundGraph(rest, steps, isReversed);
  return filters === undefined
    ? rest
    : { ...rest, filters: (filters as { [name: string]: Json }[]).map(withSoundBounds) };
}

function withSoundBounds(filter: { [name: string]: Json }): Json {
  const { min, max } = filter as { min?: number; max?: number };
  return min === undefined || max === undefined || min <= max ? filter : { ...filter, min: max, max: min };
}

function withSoundGraph(rest: { [other: string]: Json }, steps: Json, isReversed: boolean): Json {
  const taken = new Set<string>();
  const sound = (steps as Step[]).map((step, index) => {
    let { id } = step;
    for (let next = index; taken.has(id); next += 1) id = String(next);
    const earlier = [...taken];
    taken.add(id);
    if (step.depends_on === undefined) return { ...step, id };
    // Any text will do to choose one of the steps before.
    const chosen = step.depends_on.flatMap((text) => earlier[text.length % earlier.length] ?? []);
    return { ...step, id, depends_on: [...new Set(chosen)] };
  });
  return { ...rest, steps: isReversed ? sound.toReversed() : sound };
}

type Step = { id: string; depends_on?: string[]; [other: string]: Json | undefined };
