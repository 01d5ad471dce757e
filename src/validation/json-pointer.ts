/**
 * Longest key that a pointer shows whole: keys are the client's, and a path repeats them for every fault below.
 * No label that the contract allows has a longer one.
 */
const maxKeyLength = 128;

/** One key as a part of a JSON pointer (RFC 6901 §3); what is too long to read is cut. */
export function escapePointer(key: string): string {
  const short = key.length <= maxKeyLength ? key : `${key.slice(0, maxKeyLength)}…`;
  return short.replaceAll("~", "~0").replaceAll("/", "~1");
}
