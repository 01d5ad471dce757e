import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts } from "./compose.ts";
import { withOddValue } from "./hostile-json.ts";
import { twists } from "./twists.ts";
import type { Case } from "./oracle.ts";
import type { WireRequest } from "./wire.ts";

/** Requests that nobody sends by mistake: sound ones, twisted a few times; any answer the contract knows will do. */
export function hostileRequestsOf(sound: Arbitrary<Parts>): Arbitrary<Case> {
  const bodies = fc.tuple(sound, withOddValue).map(([parts, spoil]): WireRequest => {
    const request = compose(parts);
    return parts.body === undefined ? request : { ...request, body: Buffer.from(spoil(parts.body)) };
  });
  const twisted = fc
    .tuple(fc.oneof(sound.map(compose), bodies), fc.array(twists, { minLength: 1, maxLength: 3 }))
    .map(([request, all]): Case => {
      return { request: all.reduce((so, twist) => twist.of(so), request), mayBreakHttp: true };
    });
  return fc.oneof(
    bodies.map((request): Case => ({ request, mayBreakHttp: false })),
    { arbitrary: twisted, weight: 3 },
  );
}
