import { isDeepStrictEqual } from "node:util";
import { StripeError } from "./stripe-error.ts";

/** A body, and whether it is that of an earlier request with the same key. */
export interface IdempotentResponse {
  readonly body: string;
  readonly isReplayed: boolean;
}

/** Responds to a request with an idempotency key; a request that fails leaves no trace of the key. */
export type RespondOnce = (
  key: string | undefined,
  params: unknown,
  respond: () => unknown,
) => IdempotentResponse;

/** The number of keys that are remembered. */
const maxKeys = 10_000;

/** Remembers responses by the keys of their requests: https://docs.stripe.com/api/idempotent_requests. */
export function createIdempotentResponses(): RespondOnce {
  const responses = new Map<string, { readonly params: unknown; readonly body: string }>();
  return function respondOnce(key, params, respond) {
    const earlier = key === undefined ? undefined : responses.get(key);
    if (earlier !== undefined) {
      if (isDeepStrictEqual(earlier.params, params)) return { body: earlier.body, isReplayed: true };
      throw new StripeError(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with.",
        { type: "idempotency_error" },
      );
    }
    if (key !== undefined && key.length > 255)
      throw new StripeError(400, "An idempotency key has at most 255 characters.");
    const body = JSON.stringify(respond());
    if (key !== undefined) setBounded(responses, key, { params, body }, maxKeys);
    return { body, isReplayed: false };
  };
}

/** Adds an entry, and removes the oldest beyond `max` entries. */
export function setBounded<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}
