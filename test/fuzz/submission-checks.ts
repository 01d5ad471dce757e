import { isDeepStrictEqual } from "node:util";
import { readParamForms } from "../../src/validation/param-forms.ts";
import type { WireResponse } from "./response-reader.ts";
import type { WireRequest } from "./wire-request.ts";

/** Checks that an accepted submission is returned unchanged, since the fake orchestrator changes nothing. */
export function submissionViolations({ body }: WireRequest, response: WireResponse): readonly string[] {
  // JSON does not distinguish -0 from 0, and JSON.stringify writes both as 0.
  const [sent = "", returned = ""] = [body, response.body].map((text) =>
    JSON.stringify(specFrom(String(text))),
  );
  // The texts differ in the order of keys, which JSON does not define. Comparing them is much faster where they do not.
  if (sent === returned || isDeepStrictEqual(JSON.parse(sent), JSON.parse(returned))) return [];
  return ["the workflow differs from the submission"];
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

interface Spec {
  readonly name: string;
  readonly labels?: unknown;
  readonly steps: readonly { id: string; tool: string; depends_on?: unknown; params?: unknown }[];
}

/** The parts that a submission and its response share. */
function specFrom(json: string): Spec {
  const spec = JSON.parse(json) as Spec;
  readParamForms(spec);
  const { name, labels = {}, steps } = spec;
  return {
    name,
    labels,
    steps: steps.map(({ id, tool, depends_on = [], params = {} }) => ({ id, tool, depends_on, params })),
  };
}
