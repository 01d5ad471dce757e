/** A turn of the event loop that takes longer, in milliseconds, is late. */
const lateMs = 25;

/** What the limit does not fall below, however late the turns are. */
const least = 64;

/**
 * How many requests may be in flight: `max`, and fewer while this process is what they wait for. More at once would
 * only wait longer for each other then, and cost more, since more is alive when memory is collected. Each late turn
 * of the event loop takes a tenth off the limit, each other one raises it by one: a burst is served, and a load that
 * stays is held where turns are just not late. Turns in which nobody asks for the limit do not count.
 */
export function createInFlightLimit(max: number, now = () => performance.now()): () => number {
  let limit = max;
  let isMeasuring = false;

  function adapt(begin: number) {
    isMeasuring = false;
    const isLate = now() - begin > lateMs;
    limit = isLate ? Math.max(limit * 0.9, Math.min(max, least)) : Math.min(limit + 1, max);
  }

  return function inFlightLimit() {
    if (!isMeasuring) setImmediate(adapt, now());
    isMeasuring = true;
    return limit;
  };
}
