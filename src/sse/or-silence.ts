import { setTimeout as delay } from "node:timers/promises";

/** What `promise` brings, or undefined when it brings nothing for `silenceMs`. */
export async function orSilence<T>(
  promise: Promise<T>,
  silenceMs: number | undefined,
): Promise<T | undefined> {
  if (silenceMs === undefined) return promise;
  // The loser of the race may still reject, with nobody left to hear it.
  promise.catch(() => undefined);
  const timer = new AbortController();
  const silence = delay(silenceMs, undefined, { signal: timer.signal }).catch(() => undefined);
  return Promise.race([promise, silence]).finally(() => timer.abort());
}
