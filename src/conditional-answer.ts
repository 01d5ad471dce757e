import { createHash } from "node:crypto";
import type { Response } from "express";

/** An entity tag of `content`, which may come in pieces: weak, since it stays the same however the content is compressed (RFC 9110 §8.8.3.3). */
export function weakETag(content: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of content) hash.update(piece);
  return `W/"${hash.digest("base64url")}"`;
}

/** Whether an `If-None-Match` names a representation (RFC 9110 §13.1.2): `*`, or a list that is compared weakly. */
export function matchesAny(ifNoneMatch: string, etag: string | undefined): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  const opaque = (tag: string) => tag.trim().replace(/^W\//, "");
  return etag !== undefined && ifNoneMatch.split(",").some((tag) => opaque(tag) === opaque(etag));
}

/**
 * Gives the answer its validator, to be asked about at every use, and answers 304 where the client has what it stands
 * for already (RFC 9110 §13.1.2). Returns whether it did.
 */
export function answersNotModified(
  res: Response<never>,
  etag: string,
  visibility: "public" | "private",
): boolean {
  res.setHeader("ETag", etag);
  res.setHeader("Cache-Control", `${visibility}, no-cache`);
  const ifNoneMatch = res.req.get("If-None-Match");
  // Whatever Cache-Control asks of caches: a page that sets If-None-Match itself sends `no-cache` along (Fetch §4.6).
  if (ifNoneMatch === undefined || !matchesAny(ifNoneMatch, etag)) return false;
  res.status(304).end();
  return true;
}
