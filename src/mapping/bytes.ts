/** Whether the bytes from `start` to `end` are those of `expected`. */
export function equalsBytes(source: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  return end - start === expected.length && startsWithBytes(source, start, end, expected);
}

/** Whether the bytes from `start` to `end` begin with those of `prefix`. */
export function startsWithBytes(source: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  const { length } = prefix;
  if (end - start < length) return false;
  for (let index = 0; index < length; index += 1) if (source[start + index] !== prefix[index]) return false;
  return true;
}
