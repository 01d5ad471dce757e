/** A longer iteration of the event loop is late, in milliseconds. */
const lateMs = 25;

/** Each such period without requests raises the limit by one, in milliseconds. */
const idleMs = 10;

/** The lowest limit. */
const minLimit = 64;

/**
 * An adaptive limit of the requests in flight: `max`, and less while requests wait for the event loop. More concurrent
 * requests would then only wait for each other, and cost more, since more objects are alive at each garbage collection.
 * A late iteration of the event loop lowers the limit by a tenth; any other iteration, and each idle period, raises it by
 * one. So a burst is served, and under a continuous load the limit settles where iterations are just not late.
 */
export function createConcurrencyLimit(max: number, now = () => performance.now()): () => number {
  let limit = max;
  let isMeasuring = false;
  let iterationEnd = now();

  function startMeasuring() {
    isMeasuring = true;
    const iterationStart = now();
    limit = Math.min(limit + (iterationStart - iterationEnd) / idleMs, max);
    setImmediate(adapt, iterationStart);
  }

  function adapt(iterationStart: number) {
    isMeasuring = false;
    iterationEnd = now();
    const isLate = iterationEnd - iterationStart > lateMs;
    limit = isLate ? Math.max(limit * 0.9, Math.min(max, minLimit)) : Math.min(limit + 1, max);
  }

  return function concurrencyLimit() {
    if (!isMeasuring) startMeasuring();
    return limit;
  };
}
