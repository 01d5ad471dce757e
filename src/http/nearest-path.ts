import type { Path, Segment } from "../contract.ts";
import { nearestName } from "../nearest-name.ts";

/** The template of the path that an unknown one is probably meant to be; undefined if none is near. */
export type NearestPath = (path: string) => string | undefined;

/**
 * Creates the search among `paths`. It ignores empty segments, as in `/v1/workflows/`, allows each literal segment to be
 * misspelled, and one segment at the beginning to be missing or added, as in `/workflows` and `/api/v1/workflows`.
 */
export function createNearestPath(paths: readonly Path[]): NearestPath {
  return function nearestPath(path) {
    const given = path.split("/").filter((segment) => segment !== "");
    let best: { readonly template: string; readonly mistakes: number } | undefined;
    for (const { template, segments } of paths) {
      const mistakes = Math.min(
        mistakesIn(given, segments),
        1 + mistakesIn(given.slice(1), segments),
        1 + mistakesIn(given, segments.slice(1)),
      );
      if (mistakes < (best?.mistakes ?? Infinity)) best = { template, mistakes };
    }
    return best?.template;
  };
}

/** How many segments are misspelled or, at the end of `expected`, missing; infinite if the paths have nothing in common. */
function mistakesIn(given: readonly string[], expected: readonly Segment[]): number {
  const takesRest = expected.at(-1)?.kind === "rest";
  const missing = expected.length - given.length;
  if (takesRest ? missing > 1 : missing !== 0) return Infinity;
  if (!expected.some(({ kind }) => kind === "literal")) return Infinity;
  let mistakes = Math.max(0, missing);
  for (const [index, segment] of expected.entries()) {
    if (segment.kind !== "literal" || segment.text === given[index]) continue;
    if (nearestName(given[index] ?? "", [segment.text]) === undefined) return Infinity;
    mistakes += 1;
  }
  return mistakes;
}
