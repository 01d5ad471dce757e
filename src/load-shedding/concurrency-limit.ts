/** A turn of the event loop that takes longer, in milliseconds, is late. */
const lateMs = 25;

/** As long a rest, in milliseconds, raises the limit by one. */
const restMs = 10;

/** What the limit does not fall below, however late the turns are. */
const least = 64;

/**
 * How many requests may be in flight: `max`, and fewer while this process is what they wait for. More at once would
 * only wait longer for each other then, and cost more, since more is alive when memory is collected. Each late turn
 * of the event loop takes a tenth off the limit, each other one raises it by one, and so do ten milliseconds in which
 * nobody asks for it: a burst is served, and a load that stays is held where turns are just not late.
 */
export function createConcurrencyLimit(max: number, now = () => performance.now()): () => number {
  let limit = max;
  let isMeasuring = false;
  let end = now();

  function measure() {
    isMeasuring = true;
    const begin = now();
    limit = Math.min(limit + (begin - end) / restMs, max);
    setImmediate(adapt, begin);
  }

  function adapt(begin: number) {
    isMeasuring = false;
    end = now();
    const isLate = end - begin > lateMs;
    limit = isLate ? Math.max(limit * 0.9, Math.min(max, least)) : Math.min(limit + 1, max);
  }

  return function inFlightLimit() {
    if (!isMeasuring) measure();
    return limit;
  };
}
