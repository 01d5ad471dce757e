import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { FuzzOperation, Json, Parameter } from "./contract.ts";
import { textOf, valuesOf } from "./schema-values.ts";
import type { Resolve } from "./schema-values.ts";

/** The values of an operation's parameters by name: a string, or a list of strings. */
export type ParameterValues = Readonly<Record<string, string | readonly string[]>>;

/** Values that exist behind the gateway. */
export interface KnownValues {
  /** The keys of the artifacts that every workflow has. */
  readonly artifactKeys: readonly string[];
  /** The files that the documentation page loads. */
  readonly pageFiles: readonly string[];
  readonly adminToken: string;
  /** A valid API key. */
  readonly apiKey: string;
  /** Whose API key it is. */
  readonly principal: string;
  /** What the gateway verifies signatures with. */
  readonly webhookSecret: string;
  /** The JSON of large submissions by name. A name is also the id of the workflow and the token of a page full of it. */
  readonly largeBodies: Readonly<Record<string, string>>;
}

const maxEventId = 2n ** 64n - 1n;

/** Values of parameters whose schema is too general, by name. */
function specialValues({
  artifactKeys,
  pageFiles,
  principal,
}: KnownValues): Readonly<Record<string, Arbitrary<string>>> {
  const byte = fc.integer({ min: 0, max: 20 });
  const tag = fc.constantFrom("*", '"a"', 'W/"a", "b"');
  return {
    key: fc.constantFrom(...artifactKeys),
    file: fc.constantFrom(...pageFiles),
    principal: fc.constantFrom(principal, "Zoë & co."),
    // The only step of every workflow.
    step: fc.constant("a"),
    // Every workflow is terminal, so no request waits.
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

/** Valid values of the parameters, but for the signature of a body. Optional parameters may be absent. */
export function validParameters(
  operation: FuzzOperation,
  known: KnownValues,
  resolve: Resolve,
): Arbitrary<ParameterValues> {
  const special = specialValues(known);
  const parameters = operation.parameters.filter(({ name }) => name !== "Stripe-Signature");
  const model = Object.fromEntries(
    parameters.map((parameter) => [
      parameter.name,
      special[parameter.name] ?? validValue(parameter, resolve),
    ]),
  );
  const requiredKeys = parameters.flatMap(({ name, required = false }) => (required ? [name] : []));
  return fc.record(model, { requiredKeys });
}

function validValue(parameter: Parameter, resolve: Resolve): Arbitrary<string | string[]> {
  const { schema } = parameter;
  if (schema.type === "array") {
    // Two values for one label are rejected.
    const key = (label: string) => label.split("=")[0];
    return fc.uniqueArray(textOf(resolve(schema.items ?? {})), { minLength: 1, maxLength: 5, selector: key });
  }
  if (schema.type === "string")
    return textOf(schema).filter(parameter.in === "header" ? fitsHeader : () => true);
  return valuesOf(schema, resolve).map(String);
}

/** Spaces around the value of a header would be trimmed. */
function fitsHeader(text: string): boolean {
  return /^[ -~]*$/.test(text) && text === text.trim();
}

/**
 * Changes a body that matches its schema so that it meets the rules too: steps form a DAG, bounds are in order, and a
 * purchase is one that Stripe accepts.
 */
export function withValidContent(body: Json, isReversed: boolean): Json {
  const { steps, filters, ...rest } = body as { [other: string]: Json };
  if (steps !== undefined) return withValidGraph(rest, steps, isReversed);
  if (rest["credits"] !== undefined) return validPurchase(rest as Purchase);
  return filters === undefined
    ? rest
    : { ...rest, filters: (filters as { [name: string]: Json }[]).map(withValidBounds) };
}

type Purchase = { credits: number; success_url: string; cancel_url: string };

function validPurchase({ credits, success_url, cancel_url }: Purchase): Purchase {
  return {
    credits: Math.max(credits, 50),
    success_url: validUrl(success_url),
    cancel_url: validUrl(cancel_url),
  };
}

function validUrl(text: string): string {
  const { username = "?", password } = URL.parse(text) ?? {};
  return username === "" && password === "" ? text : "https://app.example/";
}

function withValidBounds(filter: { [name: string]: Json }): Json {
  const { min, max } = filter as { min?: number; max?: number };
  return min === undefined || max === undefined || min <= max ? filter : { ...filter, min: max, max: min };
}

function withValidGraph(rest: { [other: string]: Json }, steps: Json, isReversed: boolean): Json {
  const ids = new Set<string>();
  const valid = (steps as Step[]).map((step, index) => {
    let { id } = step;
    for (let next = index; ids.has(id); next += 1) id = String(next);
    const earlier = [...ids];
    ids.add(id);
    if (step.depends_on === undefined) return { ...step, id };
    // The text only selects one of the earlier steps.
    const chosen = step.depends_on.flatMap((text) => earlier[text.length % earlier.length] ?? []);
    return { ...step, id, depends_on: [...new Set(chosen)] };
  });
  return { ...rest, steps: isReversed ? valid.toReversed() : valid };
}

type Step = { id: string; depends_on?: string[]; [other: string]: Json | undefined };
