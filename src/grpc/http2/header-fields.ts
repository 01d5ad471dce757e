/** The characters of a lower-case token (RFC 9110 §5.6.2), each 1. */
const nameCharacters = new Uint8Array(256);
for (const byte of Buffer.from("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"))
  nameCharacters[byte] = 1;

/** Fields of an HTTP/1.1 connection, which HTTP/2 does not have (RFC 9113 §8.2.2). */
const connectionFields = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** The size of a field in a table and in a header list (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export function fieldSize(name: string, value: string): number {
  return name.length + value.length + 32;
}

/** Whether HTTP/2 allows a field of this name (RFC 9113 §8.2.1); false for pseudo-headers. */
export function isFieldName(name: string): boolean {
  const { length } = name;
  for (let at = 0; at < length; at += 1) if (nameCharacters[name.charCodeAt(at)] !== 1) return false;
  return length > 0;
}

/** Whether a value starts or ends with a space or a tab (RFC 9113 §8.2.1). */
export function hasOuterWhitespace(value: string): boolean {
  const { length } = value;
  return length > 0 && (isWhitespace(value.charCodeAt(0)) || isWhitespace(value.charCodeAt(length - 1)));
}

function isWhitespace(character: number): boolean {
  return character === 0x20 || character === 0x09;
}

/** Why a response or its trailers are malformed if they have this field (RFC 9113 §8.2, §8.3.2); undefined if not. */
export function fieldViolation(name: string, value: string): string | undefined {
  if (name === ":status") return /^[1-9]\d\d$/.test(value) ? undefined : "invalid status";
  if (name.charCodeAt(0) === 0x3a) return "unknown pseudo-header";
  if (!isFieldName(name)) return "invalid name";
  if (connectionFields.has(name) || (name === "te" && value !== "trailers")) return "connection-specific";
  return hasForbiddenCharacter(value) || hasOuterWhitespace(value) ? "invalid value" : undefined;
}

/** Whether a value has NUL, CR or LF (RFC 9113 §8.2.1). */
function hasForbiddenCharacter(value: string): boolean {
  const { length } = value;
  for (let at = 0; at < length; at += 1) {
    const character = value.charCodeAt(at);
    if (character <= 0x0d && (character === 0x0d || character === 0x0a || character === 0)) return true;
  }
  return false;
}
