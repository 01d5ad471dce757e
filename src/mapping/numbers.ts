/**
 * A 64-bit integer as a JSON integer. Beyond 2^53 it is kept exact as raw JSON text, which `JSON.stringify`
 * writes digit for digit.
 */
export function int64ToJson(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  // JSON.rawJSON is missing from TypeScript's library, and what it makes is a number to every reader of the JSON.
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): number };
  return rawJSON(value.toString());
}

/** A 32-bit float as the shortest decimal that still means it: 0.3, not 0.30000001192092896. */
export function floatToJson(value: number): number {
  const means = (digits: number) => Math.fround(Number(value.toPrecision(digits))) === value;
  // Nine digits tell any two floats apart.
  return Number(value.toPrecision([6, 7, 8].find(means) ?? 9));
}

/** A share, from 0 to 1; one that is no number is 0. */
export function fractionToJson(fraction: number): number {
  return Number.isNaN(fraction) ? 0 : floatToJson(Math.min(1, Math.max(0, fraction)));
}
