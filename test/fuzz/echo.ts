import { isDeepStrictEqual } from "node:util";
import type { Answer } from "./answer-reader.ts";
import type { WireRequest } from "./wire.ts";

/** Whether a submission that was accepted came back as it was sent; the orchestrator of the fuzz changes nothing. */
export function echoFaults({ body }: WireRequest, answer: Answer): readonly string[] {
  const texts = [body, answer.body].map(String);
  // Much the faster way to find large ones the same.
  const [sentText, cameText] = texts.map((text) => JSON.stringify(specFrom(text)));
  if (sentText === cameText) return [];
  const [sent, came] = texts.map((text) => specFrom(text, withoutNegativeZero));
  return isDeepStrictEqual(sent, came) ? [] : ["the workflow is not the one that was sent"];
}

/** What is wrong with the plan of a sound submission: it has each step once, after all that it needs. */
export function planFaults({ body }: WireRequest, answer: Answer): readonly string[] {
  const sent = specFrom(String(body)).steps.map(({ id, depends_on }) => ({
    id,
    needs: depends_on as string[],
  }));
  const { order } = JSON.parse(String(answer.body)) as { order: string[] };
  const isWhole = isDeepStrictEqual(order.toSorted(), sent.map(({ id }) => id).sort());
  const place = new Map(order.map((id, index) => [id, index]));
  const isInOrder = sent.every(({ id, needs }) => needs.every((other) => place.get(other)! < place.get(id)!));
  return isWhole && isInOrder ? [] : ["the plan is not one of the workflow that was sent"];
}

/** JSON does not tell -0 from 0. */
function withoutNegativeZero(_key: string, value: unknown): unknown {
  return value === 0 ? 0 : value;
}

interface Spec {
  readonly name: string;
  readonly labels?: unknown;
  readonly steps: readonly { id: string; tool: string; depends_on?: unknown; params?: unknown }[];
}

/** What a submission and its answer share. */
function specFrom(json: string, reviver?: Parameters<typeof JSON.parse>[1]): Spec {
  const { name, labels = {}, steps } = JSON.parse(json, reviver) as Spec;
  return {
    name,
    labels,
    steps: steps.map(({ id, tool, depends_on = [], params = {} }) => ({ id, tool, depends_on, params })),
  };
}
