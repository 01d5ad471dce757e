import { setTimeout as delay } from "node:timers/promises";

const intervalMs = 2;

/**
 * Resolves once `holds` returns true; mocha's timeout ends a test that waits for too long. Between two calls the
 * processor is free for what the test waits for.
 */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(intervalMs);
}
