/** A token (RFC 9110 §5.6.2) in lower case, as HTTP/2 requires (RFC 9113 §8.2.1). A pseudo-header is none. */
export const fieldName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** A value without NUL, CR and LF that neither starts nor ends with a space or a tab (RFC 9113 §8.2.1). */
const fieldValue = /^(?:[^\0\r\n\t ](?:[^\0\r\n]*[^\0\r\n\t ])?)?$/;

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

/** Why a response or its trailers are malformed if they have this field (RFC 9113 §8.2, §8.3.2); undefined if not. */
export function fieldViolation(name: string, value: string): string | undefined {
  if (name === ":status") return /^[1-9]\d\d$/.test(value) ? undefined : "invalid status";
  if (name.startsWith(":")) return "unknown pseudo-header";
  if (!fieldName.test(name)) return "invalid name";
  if (connectionFields.has(name) || (name === "te" && value !== "trailers")) return "connection-specific";
  return fieldValue.test(value) ? undefined : "invalid value";
}
