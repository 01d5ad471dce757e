/** Objects of more keys than this take long to list. */
const many = 1000;

const listed = new WeakMap<object, readonly string[]>();

/**
 * The keys of an object that nobody changes. A body may hold 100,000 keys in one object, which take tens of
 * milliseconds to list: this is done once, however many ask.
 */
export function keysOf(object: object): readonly string[] {
  const known = listed.get(object);
  if (known !== undefined) return known;
  const keys = Object.keys(object);
  if (keys.length > many) listed.set(object, keys);
  return keys;
}
