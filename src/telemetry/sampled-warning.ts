import type { Logger } from "./logger.ts";

const periodMs = 60_000;

/** A function that warns of `event` with the fields that it is given, once a minute at most, and counts what it leaves out. */
export function createSampledWarning(
  logger: Logger,
  event: string,
  now = () => performance.now(),
): (fields: object) => void {
  let nextAt = -Infinity;
  let omitted = 0;

  return function warn(fields) {
    if (now() < nextAt) {
      omitted += 1;
      return;
    }
    nextAt = now() + periodMs;
    logger.warn({ event, ...fields, omitted }, event);
    omitted = 0;
  };
}
