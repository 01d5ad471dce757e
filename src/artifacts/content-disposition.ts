/** `Content-Disposition` of a download with this file name, which has no quotes and no control characters (RFC 6266). */
export function attachmentOf(name: string): string {
  const ascii = name.replace(/[^ -~]+/g, "_");
  const plain = `attachment; filename="${ascii}"`;
  // Clients that know `filename*` prefer it (RFC 6266 §4.3).
  return ascii === name ? plain : `${plain}; filename*=UTF-8''${encodeExtended(name)}`;
}

/** Encodes a text as an `ext-value` (RFC 8187 §3.2.1), which allows fewer characters than a URI. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text).replace(
    /[*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
