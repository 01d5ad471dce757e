/** A range of bytes, both ends inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The part of a file that a `Range` selects. */
export type RangeSelection =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly range: ByteRange }
  | { readonly kind: "unsatisfiable" };

/** Whether `If-Range` allows the `Range`: only when it is the file's ETag, since a file has no date (RFC 9110 §13.1.5). */
export function ifRangeMatches(ifRange: string | undefined, etag: string | undefined): boolean {
  return ifRange === undefined || ifRange === etag;
}

/** RFC 9110 §14.1.2 for a single range: `first-last`, `first-` or `-suffix`. */
const rangePattern = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/** The part of `size` bytes that a `Range` selects. Several ranges, and an invalid range, are ignored (RFC 9110 §14.2). */
export function selectRange(header: string, size: number): RangeSelection {
  const [match, first, last, suffix] = rangePattern.exec(header) ?? [];
  if (match === undefined) return { kind: "whole" };
  const start = first === undefined ? Math.max(0, size - Number(suffix)) : Number(first);
  const end = last === undefined || last === "" ? size - 1 : Number(last);
  // A last position before the first one makes a range invalid, not unsatisfiable (RFC 9110 §14.1.1).
  if (last !== undefined && last !== "" && end < start) return { kind: "whole" };
  if (start >= size) return { kind: "unsatisfiable" };
  return { kind: "part", range: { start, end: Math.min(end, size - 1) } };
}
