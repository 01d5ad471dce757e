import type { HealthWait } from "../support/health-watch.ts";

const mebibyte = 1024 * 1024;

/** The worst measurements of a gateway under load. */
export interface Vitals {
  readonly wait: HealthWait;
  /** The peak of resident memory, in bytes; undefined if the system does not report it. */
  readonly peakResident: number | undefined;
}

/** The longest wait for a health check while the gateway runs, and the most resident memory, in bytes. */
export interface VitalBounds {
  readonly waitMs: number;
  readonly residentBytes: number;
}

/** The bounds of `make fuzz`. */
export const vitalBounds: VitalBounds = { waitMs: 100, residentBytes: 512 * mebibyte };

/** The longest of waits in several periods; each part by itself. */
export function longestOf(waits: readonly HealthWait[]): HealthWait {
  const own = waits.flatMap(({ ownMs }) => ownMs ?? []);
  return {
    longestMs: Math.max(...waits.map(({ longestMs }) => longestMs)),
    ownMs: own.length === 0 ? undefined : Math.max(...own),
  };
}

/** A line for each measurement. `exceeded` contains those above their bounds; unreported measurements never are. */
export function readVitals(
  { wait: { longestMs, ownMs }, peakResident }: Vitals,
  { waitMs, residentBytes }: VitalBounds,
): { readonly lines: readonly string[]; readonly exceeded: readonly string[] } {
  const own =
    ownMs === undefined
      ? "not checked, since this system does not report how long the gateway ran"
      : `in which the gateway ran ${ownMs.toFixed(0)} ms, of ${waitMs} allowed`;
  const wait = `the longest wait for healthz took ${longestMs.toFixed(0)} ms, ${own}`;
  const memory =
    peakResident === undefined
      ? "this system does not report the peak of resident memory"
      : `resident memory was ${mib(peakResident)} MiB at most, of ${mib(residentBytes)} allowed`;
  return {
    lines: [wait, memory],
    exceeded: [
      ...(ownMs !== undefined && ownMs > waitMs ? [wait] : []),
      ...(peakResident !== undefined && peakResident > residentBytes ? [memory] : []),
    ],
  };
}

function mib(bytes: number): string {
  return (bytes / mebibyte).toFixed(0);
}
