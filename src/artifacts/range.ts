/** Part of a file, both ends inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What of a file a download asks for. */
export type RangeSelection =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly range: ByteRange }
  | { readonly kind: "unsatisfiable" };

/** The strong ETag of a file; undefined without a digest to vouch for it. */
export function etagOf(digest: string | undefined): string | undefined {
  return digest === undefined ? undefined : `"${digest}"`;
}

/** Whether a `Range` counts: only while its `If-Range` names the file (RFC 9110 §13.1.5), which has no date. */
export function ifRangeMatches(ifRange: string | undefined, etag: string | undefined): boolean {
  return ifRange === undefined || ifRange === etag;
}

/** RFC 9110 §14.1.2, for one range: `first-last`, `first-` or `-suffix`. */
const rangePattern = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/** What a `Range` selects of `size` bytes. Several ranges, and one that cannot be read, select all (§14.2). */
export function selectRange(header: string, size: number): RangeSelection {
  const [match, first, last, suffix] = rangePattern.exec(header) ?? [];
  if (match === undefined) return { kind: "whole" };
  const start = first === undefined ? Math.max(0, size - Number(suffix)) : Number(first);
  const end = last === undefined || last === "" ? size - 1 : Number(last);
  // Ends before it starts: no range at all, unlike one that starts beyond the file.
  if (last !== undefined && last !== "" && end < start) return { kind: "whole" };
  if (start >= size) return { kind: "unsatisfiable" };
  return { kind: "part", range: { start, end: Math.min(end, size - 1) } };
}
