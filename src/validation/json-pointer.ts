/**
 * The maximum length of a key that a pointer shows in full. The client chooses the keys, and every violation below a key
 * repeats it. No label that the contract allows has a longer key.
 */
const maxKeyLength = 128;

/** One key as a reference token of a JSON pointer (RFC 6901 §3). A key that is too long is truncated. */
export function escapePointer(key: string): string {
  const short = key.length <= maxKeyLength ? key : `${key.slice(0, maxKeyLength)}…`;
  return short.replaceAll("~", "~0").replaceAll("/", "~1");
}
