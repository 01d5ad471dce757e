import { createApiKeyCache } from "../../src/auth/api-key-cache.ts";
import type { KeyUse, ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { traceContextFrom } from "../../src/telemetry/trace-context.ts";
import type { LogLine } from "../support/gateway.ts";

export const ttlMs = 30_000;
export const staleMs = 60_000;
export const denied = { allowed: false } as const;
export const allowedAs = (principal: string) => ({ allowed: true, principal }) as const;

/** A cache whose lookups return what the test's `lookUp` does, with a clock that the test sets. */
export function setUpCache(
  lookUp: (keyHash: string) => ApiKeyStatus | Promise<ApiKeyStatus>,
  { maxEntries = 100, ttlMs: ttl = ttlMs, staleMs: stale = staleMs } = {},
) {
  const lookups: string[] = [];
  const cancelled: string[] = [];
  const logs: LogLine[] = [];
  const counts: string[] = [];
  const clock = { ms: 1_000_000 };
  const trace = traceContextFrom(undefined, undefined);
  const cache = createApiKeyCache(
    async (keyHash, _trace, signal) => {
      lookups.push(keyHash);
      signal.addEventListener("abort", () => cancelled.push(keyHash));
      return lookUp(keyHash);
    },
    {
      ttlMs: ttl,
      staleMs: stale,
      maxEntries,
      logger: createLogger({ write: (line) => void logs.push(JSON.parse(line)) }),
      count: (result) => counts.push(result),
      now: () => clock.ms,
    },
  );
  return {
    lookups,
    /** The keys whose lookups were cancelled. */
    cancelled,
    logs,
    /** The results that were counted, in order. */
    counts,
    size: cache.size,
    clock,
    getStatus: (keyHash: string, use: KeyUse = "read", signal?: AbortSignal) =>
      cache.getStatus(keyHash, trace, use, signal && (() => signal)),
    invalidate: cache.invalidate,
  };
}
