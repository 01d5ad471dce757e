import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { compose } from "./compose.ts";
import type { Parts } from "./compose.ts";
import { withHostileValue } from "./hostile-json.ts";
import { mutations } from "./mutations.ts";
import type { Case } from "./oracle.ts";
import type { WireRequest } from "./wire-request.ts";

/** Whether Node's parser takes it for the start of HTTP/2's connection preface (RFC 9113 §3.4), and waits for the rest. */
function isPreface({ method, headers, body }: WireRequest): boolean {
  return method === "PRI" && headers.length === 0 && body === undefined;
}

/** Valid requests with a few mutations. Any response that the contract declares is acceptable. */
export function hostileRequestsOf(valid: Arbitrary<Parts>): Arbitrary<Case> {
  const bodies = fc.tuple(valid, withHostileValue).map(([parts, serialize]): WireRequest => {
    return parts.body === undefined ? compose(parts) : compose(parts, Buffer.from(serialize(parts.body)));
  });
  const mutated = fc
    .tuple(fc.oneof(valid.map(compose), bodies), fc.array(mutations, { minLength: 1, maxLength: 3 }))
    .map(([request, all]): Case => {
      return {
        request: all.reduce((mutated, mutation) => mutation.apply(mutated), request),
        mayViolateHttp: true,
      };
    })
    .filter(({ request }) => !isPreface(request));
  return fc.oneof(
    bodies.map((request): Case => ({ request, mayViolateHttp: false })),
    { arbitrary: mutated, weight: 3 },
  );
}
