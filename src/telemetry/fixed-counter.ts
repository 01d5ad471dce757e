import { Counter } from "prom-client";
import type { Registry } from "prom-client";

/** The name of a counter, in Prometheus's conventions, what it counts, and the one label that tells its kinds apart. */
interface Description {
  readonly name: string;
  readonly help: string;
  readonly label: string;
}

/**
 * A counter for a fixed set of kinds; the function that is returned counts one. Each begins at 0, since a rate does
 * not see how something came into being.
 */
export function fixedCounter<Kind extends string>(
  registry: Registry,
  { name, help, label }: Description,
  kinds: readonly Kind[],
): (kind: Kind) => void {
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
  for (const kind of kinds) counter.inc({ [label]: kind }, 0);
  return (kind) => counter.inc({ [label]: kind });
}
