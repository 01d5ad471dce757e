import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts } from "./compose.ts";
import { withOddValue } from "./hostile-json.ts";
import { twists } from "./twists.ts";
import type { Case } from "./oracle.ts";

/** Requests that nobody sends by mistake: sound ones, twisted a few times; any answer the contract knows will do. */
export function hostileRequestsOf(sound: Arbitrary<Parts>): Arbitrary<Case> {
  const bodies = sound.chain((parts) =>
    parts.body === undefined
      ? fc.constant(compose(parts))
      : withOddValue(parts.body).map((text) => ({ ...compose(parts), body: Buffer.from(text) })),
  );
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
