/** The processor time that is measured, in milliseconds: more than a scheduler gives at once. */
const probeMs = 20;

/** How many times longer work takes now than on a machine with nothing else to do; 1 or more. */
export function slowdown(): number {
  const begin = performance.now();
  const usedBefore = process.threadCpuUsage();
  for (;;) {
    const { user, system } = process.threadCpuUsage(usedBefore);
    const usedMs = (user + system) / 1000;
    if (usedMs >= probeMs) return Math.max(1, (performance.now() - begin) / usedMs);
  }
}

/**
 * A time in whole milliseconds that is enough on a machine with nothing else to do, as long as it has to be on this one
 * now. Bounds, and settings of what is tested, are scaled so that a busy machine fails no test.
 */
export function scaled(ms: number): number {
  return Math.ceil(ms * slowdown());
}

/** The same as the value of a setting in seconds. */
export function scaledSeconds(seconds: number): string {
  return String(scaled(seconds * 1000) / 1000);
}
