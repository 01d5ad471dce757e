import { Code } from "@connectrpc/connect";
import type { CallOptions } from "@connectrpc/connect";
import { HttpError, unauthenticated } from "../errors/http-error.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Caller } from "./caller.ts";

/** `X-RateLimit-*`; empty when the caller has no quota. */
type RateLimitHeaders = Readonly<Record<string, string>>;

/**
 * Counts one submission against the caller's quota. Resolves to the headers of the response; rejects with 429 when the
 * quota is exhausted, and with 401 when the key was revoked in the meantime.
 */
export type ConsumeQuota = (caller: Caller, call: CallOptions) => Promise<RateLimitHeaders>;

/** Counts in the orchestrator, atomically. The admin has no quota. */
export function createQuota(client: OrchestratorClient, authenticator: Authenticator): ConsumeQuota {
  return async function consumeQuota(caller, call) {
    if (caller.kind === "admin") return {};
    const { allowed, limit, used } = await client.consumeQuota({ keyHash: caller.keyHash }, call);
    if (!allowed && limit <= 0n) {
      authenticator.invalidate(caller);
      throw unauthenticated();
    }
    const headers = rateLimitHeaders(limit, allowed ? used : limit);
    if (allowed) return headers;
    throw new HttpError(Code.ResourceExhausted, `quota exhausted: ${limit} submissions per window`, {
      headers,
    });
  };
}

function rateLimitHeaders(limit: bigint, used: bigint): RateLimitHeaders {
  if (limit <= 0n) return {};
  const remaining = used < limit ? limit - used : 0n;
  return { "X-RateLimit-Limit": String(limit), "X-RateLimit-Remaining": String(remaining) };
}
