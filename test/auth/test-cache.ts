import { createApiKeyCache } from "../../src/auth/api-key-cache.ts";
import type { KeyUse, ApiKeyStatus } from "../../src/auth/api-key-cache.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { traceContextFrom } from "../../src/telemetry/trace-context.ts";
import type { LogLine } from "../support/gateway.ts";

export const ttlMs = 30_000;
export const staleMs = 60_000;
export const denied = { allowed: false } as const;
export const holder = (principal: string) => ({ allowed: true, principal }) as const;

/** A directory before a lookup that the test answers, at a time that the test sets. */
export function setUpDirectory(
  answer: (keyHash: string) => ApiKeyStatus | Promise<ApiKeyStatus>,
  { maxEntries = 100, staleMs: stale = staleMs } = {},
) {
  const asked: string[] = [];
  const cancelled: string[] = [];
  const logs: LogLine[] = [];
  const counts: string[] = [];
  const clock = { ms: 1_000_000 };
  const trace = traceContextFrom(undefined, undefined);
  const keys = createApiKeyCache(
    async (keyHash, _trace, signal) => {
      asked.push(keyHash);
      signal.addEventListener("abort", () => cancelled.push(keyHash));
      return answer(keyHash);
    },
    {
      ttlMs,
      staleMs: stale,
      maxEntries,
      logger: createLogger({ write: (line) => void logs.push(JSON.parse(line)) }),
      count: (result) => counts.push(result),
      now: () => clock.ms,
    },
  );
  return {
    asked,
    /** The keys whose lookups nobody waited for any more. */
    cancelled,
    logs,
    /** How each question was answered, in order. */
    counts,
    kept: keys.size,
    clock,
    verdictOn: (keyHash: string, use: KeyUse = "read", signal?: AbortSignal) =>
      keys.getStatus(keyHash, trace, use, signal && (() => signal)),
    forget: keys.invalidate,
  };
}
