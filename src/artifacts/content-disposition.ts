import { hash } from "node:crypto";

/** `Content-Disposition` of a download with this file name, which has no quotes and no control characters (RFC 6266). */
export function attachmentOf(name: string): string {
  if (!nonAscii.test(name)) return `attachment; filename="${name}"`;
  // Clients that know `filename*` prefer it (RFC 6266 §4.3).
  return `attachment; filename="${asciiOf(name)}"; filename*=UTF-8''${encodeExtended(name)}`;
}

const nonAscii = /[^ -~]+/;

/** A name for clients that do not know `filename*`, such as curl. It has a hash, so that different names stay different. */
function asciiOf(name: string): string {
  return name
    .replace(nonAscii, `_~${hash("sha256", name).slice(0, 8)}`)
    .split(nonAscii)
    .join("_");
}

/** Encodes a text as an `ext-value` (RFC 8187 §3.2.1), which allows fewer characters than a URI. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text).replace(
    /[*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
