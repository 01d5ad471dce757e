import type { HealthWait } from "../support/health-watch.ts";

const mebibyte = 1024 * 1024;

/** What requests have done to a gateway at worst. */
export interface Vitals {
  readonly wait: HealthWait;
  /** The most resident memory, in bytes; undefined where the system does not tell. */
  readonly peakResident: number | undefined;
}

/** What none may do: how long the gateway itself may keep its health waiting, and its most resident memory in bytes. */
export interface VitalBounds {
  readonly waitMs: number;
  readonly residentBytes: number;
}

/** What `make fuzz` allows. */
export const vitalBounds: VitalBounds = { waitMs: 100, residentBytes: 512 * mebibyte };

/** Both in a line each, and in `beyond` those that are beyond their bounds. What the system does not tell is none. */
export function readVitals(
  { wait: { longestMs, ownMs }, peakResident }: Vitals,
  { waitMs, residentBytes }: VitalBounds,
): { readonly lines: readonly string[]; readonly beyond: readonly string[] } {
  const own =
    ownMs === undefined
      ? "not judged, since this system does not tell how much of it the gateway ran"
      : `in which the gateway ran ${ownMs.toFixed(0)} ms, of ${waitMs} allowed`;
  const wait = `the longest wait for healthz took ${longestMs.toFixed(0)} ms, ${own}`;
  const memory =
    peakResident === undefined
      ? "this system does not tell the peak of resident memory"
      : `resident memory was ${mib(peakResident)} MiB at most, of ${mib(residentBytes)} allowed`;
  return {
    lines: [wait, memory],
    beyond: [
      ...(ownMs !== undefined && ownMs > waitMs ? [wait] : []),
      ...(peakResident !== undefined && peakResident > residentBytes ? [memory] : []),
    ],
  };
}

function mib(bytes: number): string {
  return (bytes / mebibyte).toFixed(0);
}
