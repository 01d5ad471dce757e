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

/** The value that a pointer leads to within JSON; undefined if there is none, or if a key of the pointer is truncated. */
export function valueAt(value: unknown, pointer: string): unknown {
  const keys = pointer.split("/").slice(1);
  return keys.reduce<unknown>((parent, key) => {
    const name = key.replaceAll("~1", "/").replaceAll("~0", "~");
    return isContainer(parent) && Object.hasOwn(parent, name) ? parent[name] : undefined;
  }, value);
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
