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

/** The ETag of `content`. It is weak because it is the same in every content coding (RFC 9110 §8.8.3.3). */
export function weakETag(content: Content): string {
  return `W/"${digestOf(content)}"`;
}

/** Strong ETags, one for each content coding (RFC 9110 §8.8.3.3). */
export type StrongETags = Readonly<Record<"identity" | Coding, string>>;

export function strongETags(content: Content): StrongETags {
  const digest = digestOf(content);
  return { identity: `"${digest}"`, br: `"${digest}.br"`, gzip: `"${digest}.gzip"` };
}

/**
 * Sets `ETag` and `Cache-Control`, and responds 304 to a client whose `If-None-Match` has one of `etags` (RFC 9110
 * §13.1.2); returns whether it did. `etags` has the ETag of the content in each coding; the first one is sent. A 304
 * repeats the ETag that the client has, so that the client finds the response to reuse (RFC 9111 §4.3.4).
 */
export function handleIfNoneMatch(
  res: Response<never>,
  etags: readonly [string, ...string[]],
  visibility: "public" | "private",
): boolean {
  res.setHeader("Cache-Control", `${visibility}, no-cache`);
  const ifNoneMatch = res.req.get("If-None-Match");
  // `Cache-Control: no-cache` is ignored: browsers add it when a page sets If-None-Match itself (Fetch §4.6).
  const isKnown = ifNoneMatch !== undefined && matches(ifNoneMatch, etags);
  res.setHeader("ETag", (isKnown ? weakMatch(ifNoneMatch, etags) : undefined) ?? etags[0]);
  if (isKnown) res.status(304).end();
  return isKnown;
}
