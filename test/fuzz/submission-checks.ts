import { isDeepStrictEqual } from "node:util";
import type { WireResponse } from "./response-reader.ts";
import type { WireRequest } from "./wire-request.ts";

/** Checks that an accepted submission is returned unchanged, since the fake orchestrator changes nothing. */
export function submissionViolations({ body }: WireRequest, response: WireResponse): readonly string[] {
  const texts = [body, response.body].map(String);
  // Comparing the texts first is much faster for large submissions.
  const [sentText, returnedText] = texts.map((text) => JSON.stringify(specFrom(text)));
  if (sentText === returnedText) return [];
  const [sent, returned] = texts.map((text) => specFrom(text, withoutNegativeZero));
  return isDeepStrictEqual(sent, returned) ? [] : ["the workflow differs from the submission"];
}

/** Checks that the plan of a valid submission contains each step once, after its dependencies. */
export function planViolations({ body }: WireRequest, response: WireResponse): readonly string[] {
  const sent = specFrom(String(body)).steps.map(({ id, depends_on }) => ({
    id,
    dependencies: depends_on as string[],
  }));
  const { order } = JSON.parse(String(response.body)) as { order: string[] };
  const isComplete = isDeepStrictEqual(order.toSorted(), sent.map(({ id }) => id).sort());
  const position = new Map(order.map((id, index) => [id, index]));
  const isInOrder = sent.every(({ id, dependencies }) =>
    dependencies.every((other) => position.get(other)! < position.get(id)!),
  );
  return isComplete && isInOrder ? [] : ["the plan does not match the submission"];
}

/** JSON does not distinguish -0 from 0. */
function withoutNegativeZero(_key: string, value: unknown): unknown {
  return value === 0 ? 0 : value;
}

interface Spec {
  readonly name: string;
  readonly labels?: unknown;
  readonly steps: readonly { id: string; tool: string; depends_on?: unknown; params?: unknown }[];
}

/** The parts that a submission and its response share. */
function specFrom(json: string, reviver?: Parameters<typeof JSON.parse>[1]): Spec {
  const { name, labels = {}, steps } = JSON.parse(json, reviver) as Spec;
  return {
    name,
    labels,
    steps: steps.map(({ id, tool, depends_on = [], params = {} }) => ({ id, tool, depends_on, params })),
  };
}
