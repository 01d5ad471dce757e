import { createHmac, timingSafeEqual } from "node:crypto";

/** How far the time of a signature may be from now, in seconds. */
const toleranceSeconds = 300;

/** A `Stripe-Signature`: the time in seconds since 1970 as it was signed, and the signatures of the scheme `v1`. */
interface SignatureHeader {
  readonly timestamp: string;
  readonly signatures: readonly Buffer[];
}

/**
 * Whether `header`, a `Stripe-Signature`, is for exactly these bytes, by one of `secrets`, and not older than 300 seconds.
 * `now` is in milliseconds since 1970. The time of the comparison does not depend on what is equal
 * (https://docs.stripe.com/webhooks#verify-manually).
 */
export function isSignedByStripe(
  header: string,
  bytes: Uint8Array,
  secrets: readonly string[],
  now: number,
): boolean {
  const { timestamp, signatures } = parseHeader(header) ?? {};
  if (timestamp === undefined || signatures === undefined) return false;
  if (Math.abs(now / 1000 - Number(timestamp)) > toleranceSeconds) return false;
  const expected = secrets.map((secret) =>
    createHmac("sha256", secret).update(`${timestamp}.`).update(bytes).digest(),
  );
  const matches = expected.flatMap((own) => signatures.map((signature) => timingSafeEqual(own, signature)));
  return matches.includes(true);
}

/** Undefined without exactly one time. Signatures of other schemes are left out. */
function parseHeader(header: string): SignatureHeader | undefined {
  const items = header.split(",").map((item) => /^\s*(\w+)=(\w+)\s*$/.exec(item) ?? []);
  const valuesOf = (name: string) =>
    items.flatMap(([, key, value]) => (key === name && value !== undefined ? [value] : []));
  const [timestamp, ...others] = valuesOf("t");
  if (timestamp === undefined || others.length > 0 || !/^\d{1,12}$/.test(timestamp)) return undefined;
  const signatures = valuesOf("v1").filter((value) => /^[\da-f]{64}$/.test(value));
  return { timestamp, signatures: signatures.map((value) => Buffer.from(value, "hex")) };
}
