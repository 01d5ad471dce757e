import type { Logger } from "./logger.ts";

const throttleMs = 1000;
const sampleMs = 60_000;

/**
 * Creates a function that counts its calls. At most once a second it logs a warning `event` with this `count` and
 * `fields`, which are read at that time.
 */
export function createThrottledWarning(logger: Logger, event: string, fields: object = {}): () => void {
  let count = 0;
  let timer: NodeJS.Timeout | undefined;

  function warn() {
    logger.warn({ event, ...fields, count }, event);
    count = 0;
    timer = undefined;
  }

  return function warnSoon() {
    count += 1;
    timer ??= setTimeout(warn, throttleMs).unref();
  };
}

/**
 * Creates a function that logs a warning `event` with the given fields, at most once a minute. `omitted` counts the
 * calls since the last warning that logged nothing.
 */
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
    nextAt = now() + sampleMs;
    logger.warn({ event, ...fields, omitted }, event);
    omitted = 0;
  };
}
