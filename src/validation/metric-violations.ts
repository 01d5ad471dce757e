import type { Schema } from "../contract.ts";
import type { Violation } from "../errors/http-error.ts";
import { didYouMean } from "../nearest-name.ts";

/** The violations of a request to rank that names `missing` metrics. `known` are those of the workflow, or some of them. */
export function metricViolations(
  { metric, filters = [] }: Schema["RankRequest"],
  missing: ReadonlySet<string>,
  known: readonly string[],
): Violation[] {
  const named = [
    { path: "/body/metric", name: metric },
    ...filters.map((filter, index) => ({ path: `/body/filters/${index}/metric`, name: filter.metric })),
  ];
  const names = known.length === 0 ? "none" : known.join(", ");
  return named
    .filter(({ name }) => missing.has(name))
    .map(({ path, name }) => {
      const message = `must be one of the metrics of this workflow: ${names}${didYouMean(name, known)}`;
      return { path, message };
    });
}
