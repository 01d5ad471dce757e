/** A longer turn of the event loop is late, in milliseconds. */
const lateMs = 25;

/** Each such period without requests raises the limit by one, in milliseconds. */
const idleMs = 10;

/** The lowest limit. */
const minLimit = 64;

/**
 * An adaptive limit of the requests in flight: `max`, and less while requests wait for the event loop. More concurrent
 * requests would then only wait for each other, and cost more, since more objects are alive at each garbage collection.
 * A late turn of the event loop lowers the limit by a tenth; any other turn, and each idle period, raises it by one. So
 * a burst is served, and under a continuous load the limit settles where turns are just not late.
 */
export function createConcurrencyLimit(max: number, now = () => performance.now()): () => number {
  let limit = max;
  let isMeasuring = false;
  let turnEnd = now();

  function startMeasuring() {
    isMeasuring = true;
    const turnStart = now();
    limit = Math.min(limit + (turnStart - turnEnd) / idleMs, max);
    setImmediate(adapt, turnStart);
  }

  function adapt(turnStart: number) {
    isMeasuring = false;
    turnEnd = now();
    const isLate = turnEnd - turnStart > lateMs;
    limit = isLate ? Math.max(limit * 0.9, Math.min(max, minLimit)) : Math.min(limit + 1, max);
  }

  return function concurrencyLimit() {
    if (!isMeasuring) startMeasuring();
    return limit;
  };
}
