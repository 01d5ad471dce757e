/** Whether `value` is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The keys of an object with more keys than this are listed only once. */
const manyKeys = 1000;

const listedKeys = new WeakMap<object, readonly string[]>();

/**
 * The keys of an object that is never modified. A body may hold 100,000 keys in one object. Listing them takes tens of
 * milliseconds, so the list is kept for later calls.
 */
export function keysOf(object: object): readonly string[] {
  const listed = listedKeys.get(object);
  if (listed !== undefined) return listed;
  const keys = Object.keys(object);
  if (keys.length > manyKeys) listedKeys.set(object, keys);
  return keys;
}
