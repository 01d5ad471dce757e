import type { createTracing, Tracing } from "./tracing.ts";

/** Loads what makes spans, and builds it. Loading takes a tenth of a whole start, which others are spared. */
export async function startTracing(...options: Parameters<typeof createTracing>): Promise<Tracing> {
  // eslint-disable-next-line no-restricted-syntax -- A file of this folder.
  const module = await import("./tracing.ts");
  return module.createTracing(...options);
}
