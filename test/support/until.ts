import { setInterval } from "node:timers/promises";

const intervalMs = 2;

/**
 * Resolves once `holds` returns true; mocha's timeout ends a test that waits for too long. Between two calls the
 * processor is free for what the test waits for.
 */
export async function until(holds: () => boolean): Promise<void> {
  if (holds()) return;
  for await (const _ of setInterval(intervalMs)) if (holds()) return;
}
