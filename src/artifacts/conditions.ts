import { matchesAny } from "../conditional-answer.ts";

/** Part of a file, both ends inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a download's conditional headers ask for. */
export type Selection =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly range: ByteRange }
  | { readonly kind: "unsatisfiable" }
  | { readonly kind: "not-modified" };

/** The conditional headers of a download. */
interface Conditions {
  readonly range?: string | undefined;
  readonly ifRange?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

/** The strong ETag of a file; undefined without a digest to vouch for it. */
export function etagOf(digest: string | undefined): string | undefined {
  return digest === undefined ? undefined : `"${digest}"`;
}

/**
 * Evaluates the conditional headers in the order of RFC 9110 §13.2.2. Several ranges, and a Range that cannot
 * be read, answer the whole file (§14.2).
 */
export function selectionFor(conditions: Conditions, size: number, etag: string | undefined): Selection {
  const { range, ifRange, ifNoneMatch } = conditions;
  if (ifNoneMatch !== undefined && matchesAny(ifNoneMatch, etag)) return { kind: "not-modified" };
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return { kind: "whole" };
  return rangeSelection(range, size);
}

/** RFC 9110 §14.1.2, for one range: `first-last`, `first-` or `-suffix`. */
const rangePattern = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

function rangeSelection(header: string, size: number): Selection {
  const [match, first, last, suffix] = rangePattern.exec(header) ?? [];
  if (match === undefined) return { kind: "whole" };
  const start = first === undefined ? Math.max(0, size - Number(suffix)) : Number(first);
  const end = last === undefined || last === "" ? size - 1 : Number(last);
  // Ends before it starts: no range at all, unlike one that starts beyond the file.
  if (last !== undefined && last !== "" && end < start) return { kind: "whole" };
  if (start >= size) return { kind: "unsatisfiable" };
  return { kind: "part", range: { start, end: Math.min(end, size - 1) } };
}
