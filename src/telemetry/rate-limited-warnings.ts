import type { Logger } from "./logger.ts";

/** How much is told in one line, in milliseconds. */
const periodMs = 1000;

/** A function that counts what it is called for, and warns of `event` with that `count` once a second at most. */
export function createThrottledWarning(logger: Logger, event: string, more: object = {}): () => void {
  let count = 0;
  let timer: NodeJS.Timeout | undefined;

  function warn() {
    logger.warn({ event, ...more, count }, event);
    count = 0;
    timer = undefined;
  }

  return function warnSoon() {
    count += 1;
    timer ??= setTimeout(warn, periodMs).unref();
  };
}
