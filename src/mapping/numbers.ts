/** A 64-bit integer as a JSON integer. Above 2^53 it is raw JSON, which `JSON.stringify` writes without rounding. */
export function int64ToJson(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  // TypeScript's library lacks JSON.rawJSON. In the JSON text, its result is a number.
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): number };
  return rawJSON(value.toString());
}

/** A 32-bit float as the shortest decimal that rounds to it: 0.3, not 0.30000001192092896. */
export function floatToJson(value: number): number {
  // Most fractions have few decimals. Two numbers of up to six digits never round to the same float (FLT_DIG in C), so this
  // is the result of the slower search.
  const sixDecimals = Math.round(value * 1e6) / 1e6;
  if (value > 0 && value <= 1 && Math.fround(sixDecimals) === value) return sixDecimals;
  const isExact = (digits: number) => Math.fround(Number(value.toPrecision(digits))) === value;
  // Nine digits distinguish any two floats.
  return Number(value.toPrecision([6, 7, 8].find(isExact) ?? 9));
}

/** A fraction, clamped to 0 to 1; NaN becomes 0. */
export function fractionToJson(fraction: number): number {
  return Number.isNaN(fraction) ? 0 : floatToJson(Math.min(1, Math.max(0, fraction)));
}
