import { createHash, hash } from "node:crypto";
import type { Response } from "express";
import type { Coding } from "./content-coding.ts";
import { matches, weakMatch } from "./preconditions.ts";

/** Bytes, in pieces. */
type Content = readonly Uint8Array[];

function digestOf(content: Content): string {
  const [only, ...more] = content;
  if (only !== undefined && more.length === 0) return hash("sha256", only, "base64url");
  const hasher = createHash("sha256");
  for (const piece of content) hasher.update(piece);
  return hasher.digest("base64url");
}

/** An entity tag of `content`: weak, since it stays the same however the content is compressed (RFC 9110 §8.8.3.3). */
export function weakETag(content: Content): string {
  return `W/"${digestOf(content)}"`;
}

/**
 * The entity tags of `content`, one for each content coding: strong, since each stands for the same bytes
 * (RFC 9110 §8.8.3.3).
 */
export function strongETags(content: Content): Readonly<Record<"identity" | Coding, string>> {
  const digest = digestOf(content);
  return { identity: `"${digest}"`, br: `"${digest}.br"`, gzip: `"${digest}.gzip"` };
}

/**
 * Gives the answer its validator, to be asked about at every use, and answers 304 where the client has what it stands
 * for already (RFC 9110 §13.1.2). Returns whether it did. `etags` are those of the content, first the one of the
 * coding that is chosen; a 304 tells the one that the client has, so that it can find what to use (RFC 9111 §4.3.4).
 */
export function answersNotModified(
  res: Response<never>,
  etags: readonly [string, ...string[]],
  visibility: "public" | "private",
): boolean {
  res.setHeader("Cache-Control", `${visibility}, no-cache`);
  const ifNoneMatch = res.req.get("If-None-Match");
  // Whatever Cache-Control asks of caches: a page that sets If-None-Match itself sends `no-cache` along (Fetch §4.6).
  const isKnown = ifNoneMatch !== undefined && matches(ifNoneMatch, etags);
  res.setHeader("ETag", (isKnown ? weakMatch(ifNoneMatch, etags) : undefined) ?? etags[0]);
  if (isKnown) res.status(304).end();
  return isKnown;
}
