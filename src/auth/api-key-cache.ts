import { LRUCache } from "lru-cache";
import type { Logger } from "../telemetry/logger.ts";
import type { KeyLookupResult } from "../telemetry/metrics.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

export type ApiKeyStatus = AllowedStatus | { readonly allowed: false };

interface AllowedStatus {
  readonly allowed: true;
  readonly principal: string;
}

/** Looks a key up in the orchestrator; rejects when the lookup fails or `signal` aborts. */
export type LookUpApiKey = (
  keyHash: string,
  trace: TraceContext,
  signal: AbortSignal,
) => Promise<ApiKeyStatus>;

/**
 * What a status is needed for. A write needs a fresh status. A read may use a stale status once a lookup has failed. The
 * revalidation of a request that is being served may use one while a lookup is slow, too.
 */
export type KeyUse = "write" | "read" | "revalidation";

/** Remembers the status of API keys. */
export interface ApiKeyCache {
  /**
   * The status of a key, at most `ttlMs` old, from the cache or by a lookup. When the lookup of an allowed key fails, its
   * status is served for `staleMs` more (stale-if-error, RFC 5861 §4), except for a write and without a TTL. Rejects when
   * a lookup is needed and fails. `getSignal` is called only when a lookup is needed; when its signal aborts before the
   * end of the lookup, the promise rejects with the signal's reason.
   */
  getStatus(
    keyHash: string,
    trace: TraceContext,
    use: KeyUse,
    getSignal?: () => AbortSignal,
  ): Promise<ApiKeyStatus>;
  /** Removes a key, so that its next use looks it up. */
  invalidate(keyHash: string): void;
  /** The number of entries, including expired ones. */
  size(): { readonly allowed: number; readonly denied: number };
}

interface ApiKeyCacheOptions {
  /** 0: no status is used for a request that begins after its lookup. */
  readonly ttlMs: number;
  readonly staleMs: number;
  /** The maximum number of allowed keys, and of denied keys. */
  readonly maxEntries: number;
  /** Receives one warning for each allowed key whose lookups begin to fail. */
  readonly logger: Logger;
  /** Called with the result of each `getStatus`, unless its signal has aborted. */
  readonly count: (result: KeyLookupResult) => void;
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

interface AllowedEntry {
  readonly status: AllowedStatus;
  readonly lookedUpAt: number;
  /** When the latest lookup failed; undefined when it succeeded. */
  failedAt: number | undefined;
}

/** A lookup in flight, shared by all requests with the key (single-flight). */
interface Lookup {
  readonly keyHash: string;
  readonly startedAt: number;
  readonly result: Promise<ApiKeyStatus>;
  readonly controller: AbortController;
  waiters: number;
}

/** The backoff after a failed lookup, in milliseconds. Reads use the stale status meanwhile. */
const failureBackoffMs = 1000;

/** A lookup that takes longer is slow, in milliseconds. */
const slowLookupMs = 1000;

/**
 * How many lookups without a waiter may continue. Cancelling a lookup resets its HTTP/2 stream, and servers close a
 * session with too many resets, which would affect the calls of all clients. A client that sends unknown keys and
 * disconnects must not cause that while lookups are fast.
 */
const maxAbandoned = 100;

/**
 * Builds a cache in front of `lookUp`. Allowed and denied keys have a cache each, so that unknown keys cannot evict
 * allowed ones. A failed lookup is not cached.
 *
 * A lookup whose waiters have all disconnected is abandoned, unless its key has a usable stale status: such a lookup
 * finishes, so that its failure or denial is stored. At most `maxAbandoned` abandoned lookups continue, so that
 * disconnected clients do not occupy the orchestrator. Beyond that, the oldest is cancelled.
 *
 * Without a TTL, nothing is stored and each read and write starts a lookup: one in flight may have read the status before
 * the request. The revalidations of a key share one, however slow it is, so that they do not pile up.
 *
 * Stale statuses are for a key store that is down, not for a slow one. A read that starts or joins a lookup waits for its
 * result. Only a read that arrives while the lookup is slow, and after an earlier one has failed, uses the stale status.
 * A denial is stored however late it arrives.
 */
export function createApiKeyCache(lookUp: LookUpApiKey, options: ApiKeyCacheOptions): ApiKeyCache {
  const { ttlMs, staleMs, maxEntries: max, logger, count, now = () => performance.now() } = options;
  const allowed = new LRUCache<string, AllowedEntry>({ max });
  /** When the lookup of each denied key started. */
  const denied = new LRUCache<string, number>({ max });
  const lookups = new Map<string, Lookup>();
  /** Oldest first. */
  const abandoned = new Set<Lookup>();

  function freshStatus(keyHash: string): ApiKeyStatus | undefined {
    const isFresh = (lookedUpAt: number) => now() - lookedUpAt <= ttlMs;
    const entry = allowed.get(keyHash);
    if (entry !== undefined && isFresh(entry.lookedUpAt)) return entry.status;
    const deniedAt = denied.get(keyHash);
    return deniedAt !== undefined && isFresh(deniedAt) ? { allowed: false } : undefined;
  }

  /** A status to use when a lookup has failed or is slow. */
  function staleStatus(keyHash: string, use: KeyUse): ApiKeyStatus | undefined {
    const entry = allowed.peek(keyHash);
    if (entry === undefined || use === "write") return undefined;
    return now() - entry.lookedUpAt <= ttlMs + staleMs ? entry.status : undefined;
  }

  function startLookup(keyHash: string, trace: TraceContext): Lookup {
    const controller = new AbortController();
    // The server may have read the status at the start of the lookup, so the age counts from there.
    const startedAt = now();
    const result = lookUp(keyHash, trace, controller.signal);
    const lookup: Lookup = { keyHash, startedAt, result, controller, waiters: 0 };
    lookups.set(keyHash, lookup);
    result.then(
      (status) => {
        if (endLookup(lookup)) store(keyHash, status, startedAt);
      },
      (error: unknown) => {
        if (endLookup(lookup)) storeFailure(keyHash, trace, error);
      },
    );
    return lookup;
  }

  /** Removes a lookup. Returns false if it was invalidated or cancelled before: its result must then not be stored. */
  function endLookup(lookup: Lookup): boolean {
    abandoned.delete(lookup);
    if (lookups.get(lookup.keyHash) !== lookup) return false;
    lookups.delete(lookup.keyHash);
    return true;
  }

  function store(keyHash: string, status: ApiKeyStatus, lookedUpAt: number): void {
    if (ttlMs === 0) return;
    if (status.allowed) {
      allowed.set(keyHash, { status, lookedUpAt, failedAt: undefined });
    } else {
      allowed.delete(keyHash);
      denied.set(keyHash, lookedUpAt);
    }
  }

  function storeFailure(keyHash: string, trace: TraceContext, err: unknown): void {
    const entry = allowed.peek(keyHash);
    if (entry === undefined) return;
    if (entry.failedAt === undefined) {
      const { principal } = entry.status;
      logger.warn(
        { event: "api_key_lookup.failed", ...traceFields(trace), principal, err },
        "api_key_lookup.failed",
      );
    }
    entry.failedAt = now();
  }

  function waitFor(lookup: Lookup, signal: AbortSignal | undefined): Promise<ApiKeyStatus> {
    lookup.waiters += 1;
    abandoned.delete(lookup);
    if (signal === undefined) return lookup.result;
    return new Promise((resolve, reject) => {
      const leave = () => {
        reject(signal.reason as Error);
        lookup.waiters -= 1;
        if (lookup.waiters === 0 && staleStatus(lookup.keyHash, "read") === undefined) abandon(lookup);
      };
      signal.addEventListener("abort", leave);
      void lookup.result.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }

  /** Cancels the oldest abandoned lookup when there are too many. */
  function abandon(lookup: Lookup): void {
    abandoned.add(lookup);
    if (abandoned.size <= maxAbandoned) return;
    const [oldest = lookup] = abandoned;
    endLookup(oldest);
    oldest.controller.abort();
  }

  function record(result: KeyLookupResult, status: ApiKeyStatus): ApiKeyStatus {
    count(result);
    return status;
  }

  return {
    async getStatus(keyHash, trace, use, getSignal) {
      const fresh = freshStatus(keyHash);
      if (fresh !== undefined) return record(fresh.allowed ? "hit" : "denied", fresh);

      const lookup = ttlMs > 0 || use === "revalidation" ? lookups.get(keyHash) : undefined;
      const isSlow = ttlMs > 0 && lookup !== undefined && now() - lookup.startedAt >= slowLookupMs;
      const failedAt = allowed.peek(keyHash)?.failedAt;
      const isBackingOff = failedAt !== undefined && now() - failedAt < failureBackoffMs;
      const acceptsStaleWhenSlow = failedAt !== undefined || use === "revalidation";
      if (isBackingOff || (isSlow && acceptsStaleWhenSlow)) {
        const stale = staleStatus(keyHash, use);
        if (stale !== undefined) return record("stale", stale);
      }
      if (isSlow && use === "revalidation") {
        count("failed");
        throw new Error("the lookup of the API key is slow, and its cached status is too old");
      }

      const signal = getSignal?.();
      signal?.throwIfAborted();
      try {
        return record("miss", await waitFor(lookup ?? startLookup(keyHash, trace), signal));
      } catch (error) {
        signal?.throwIfAborted();
        const stale = staleStatus(keyHash, use);
        if (stale !== undefined) return record("stale", stale);
        count("failed");
        throw error;
      }
    },
    invalidate(keyHash) {
      allowed.delete(keyHash);
      denied.delete(keyHash);
      lookups.delete(keyHash);
    },
    size: () => ({ allowed: allowed.size, denied: denied.size }),
  };
}
