import { LRUCache } from "lru-cache";
import type { VerdictKind } from "../telemetry/gauges.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { KeyLookupResult } from "../telemetry/metrics.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

/** What the orchestrator says of a key: whose it is, or that it may not be used. */
export type ApiKeyStatus = GoodVerdict | { readonly allowed: false };

interface GoodVerdict {
  readonly allowed: true;
  readonly principal: string;
}

/** Asks the orchestrator about a key, until `signal` aborts; rejects when it cannot be asked. */
export type LookUpApiKey = (
  keyHash: string,
  trace: TraceContext,
  signal: AbortSignal,
) => Promise<ApiKeyStatus>;

/** Who waits for a lookup says with this signal that it does so no longer. Most need no lookup, and so no signal. */
export type Leaving = () => AbortSignal;

/**
 * What a key is used for: a write wants a fresh verdict, a read may have a stale one when there is no other, and
 * so may a stream that is open already, which does not wait for one either.
 */
export type KeyUse = "write" | "read" | "revalidation";

/** Knows which API keys are good. */
export interface ApiKeyCache {
  /**
   * The verdict on a key, at most `ttlMs` old; from a good key that cannot be looked up, but for writes, at most
   * `staleMs` older. Rejects when a lookup is needed and fails, and with the reason of the signal that `leaving` is
   * then asked for when that aborts before the end of the lookup: nobody waits for the verdict any more.
   */
  getStatus(keyHash: string, trace: TraceContext, use: KeyUse, leaving?: Leaving): Promise<ApiKeyStatus>;
  /** Forgets a key, so that the next question goes to the orchestrator. */
  invalidate(keyHash: string): void;
  /** How many verdicts are kept, outdated ones among them. */
  size(): Readonly<Record<VerdictKind, number>>;
}

interface ApiKeyCacheOptions {
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly maxEntries: number;
  /** Told once of each good key that could not be looked up again. */
  readonly logger: Logger;
  /** Told of each question how it was answered, unless nobody waits for that any more. */
  readonly count: (result: KeyLookupResult) => void;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

interface GoodKey {
  readonly verdict: GoodVerdict;
  readonly askedAt: number;
  /** When a lookup after that failed for the last time. */
  failedAt?: number;
}

interface Lookup {
  readonly keyHash: string;
  readonly askedAt: number;
  readonly answer: Promise<ApiKeyStatus>;
  readonly cancelling: AbortController;
  waiting: number;
}

/**
 * How long a lookup that failed is not repeated for a read, and how long the ones after it are waited for by it;
 * how long any lookup is waited for by a stream that is open.
 */
const retryMs = 1000;

/**
 * How many lookups go on though nobody waits for them. Servers close a connection, which everybody's calls share,
 * on which too many streams are reset: whoever sends junk and leaves is not to bring that about while lookups are
 * answered quickly.
 */
const maxAbandoned = 100;

/**
 * A cache before `lookUp`. Good keys and denials are kept apart, so that junk cannot push
 * good keys out. A refusal for want of an answer is not kept. One lookup runs at a time per key, whoever waits.
 *
 * Of the lookups that nobody waits for any more, no more than `maxAbandoned` go on: clients that leave hold
 * nothing at the orchestrator. A key that may still be used stale does not count, and its lookup goes on: whether it
 * is denied, or cannot be looked up, is not to depend on how long its clients stay.
 *
 * A stale verdict is for a store that is down, not for one that is slow: a read has it only once a lookup of the
 * key has failed, by its deadline at the latest. Before that reads wait, and a denial that takes long is obeyed as
 * one that comes at once. Only streams that are open already go on while a lookup says nothing.
 */
export function createApiKeyCache(lookUp: LookUpApiKey, options: ApiKeyCacheOptions): ApiKeyCache {
  const { ttlMs, staleMs, maxEntries: max, logger, count, now = () => performance.now() } = options;
  const good = new LRUCache<string, GoodKey>({ max });
  /** When each was asked for. */
  const denied = new LRUCache<string, number>({ max });
  const underWay = new Map<string, Lookup>();
  /** The one that was left first comes first. */
  const abandoned = new Set<Lookup>();

  function begin(keyHash: string, trace: TraceContext): Lookup {
    const cancelling = new AbortController();
    // The answer may be as old as the question: its time starts when it was asked.
    const askedAt = now();
    const answer = lookUp(keyHash, trace, cancelling.signal);
    const lookup: Lookup = { keyHash, askedAt, answer, cancelling, waiting: 0 };
    underWay.set(keyHash, lookup);
    answer.then(
      (verdict) => settles(lookup) && keep(keyHash, verdict, askedAt),
      (error: unknown) => settles(lookup) && noteFailure(keyHash, trace, error),
    );
    return lookup;
  }

  /** Whether what comes of a lookup counts: forgotten meanwhile, the answer is older than what made it so. */
  function settles(lookup: Lookup): boolean {
    abandoned.delete(lookup);
    return underWay.get(lookup.keyHash) === lookup && underWay.delete(lookup.keyHash);
  }

  function waitFor(lookup: Lookup, signal: AbortSignal | undefined): Promise<ApiKeyStatus> {
    lookup.waiting += 1;
    abandoned.delete(lookup);
    if (signal === undefined) return lookup.answer;
    return new Promise((resolve, reject) => {
      const leave = () => {
        reject(signal.reason as Error);
        lookup.waiting -= 1;
        if (lookup.waiting === 0 && staleVerdict(lookup.keyHash, "read") === undefined) abandon(lookup);
      };
      signal.addEventListener("abort", leave);
      void lookup.answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }

  function abandon(lookup: Lookup): void {
    abandoned.add(lookup);
    if (abandoned.size <= maxAbandoned) return;
    const [first = lookup] = abandoned;
    settles(first);
    first.cancelling.abort();
  }

  function keep(keyHash: string, verdict: ApiKeyStatus, askedAt: number): void {
    if (verdict.allowed) {
      good.set(keyHash, { verdict, askedAt });
    } else {
      good.delete(keyHash);
      denied.set(keyHash, askedAt);
    }
  }

  function noteFailure(keyHash: string, trace: TraceContext, err: unknown): void {
    const known = good.peek(keyHash);
    if (known === undefined) return;
    if (known.failedAt === undefined) {
      const { principal } = known.verdict;
      logger.warn(
        { event: "revalidation.failed", ...traceFields(trace), principal, err },
        "revalidation.failed",
      );
    }
    known.failedAt = now();
  }

  /** The verdict that serves while there is no answer. */
  function staleVerdict(keyHash: string, use: KeyUse): ApiKeyStatus | undefined {
    const known = good.peek(keyHash);
    if (known === undefined || use === "write" || now() - known.askedAt > ttlMs + staleMs) return undefined;
    return known.verdict;
  }

  function counted(result: KeyLookupResult, verdict: ApiKeyStatus): ApiKeyStatus {
    count(result);
    return verdict;
  }

  return {
    async getStatus(keyHash, trace, use, leaving) {
      const time = now();
      const known = good.get(keyHash);
      if (known !== undefined && time - known.askedAt <= ttlMs) return counted("hit", known.verdict);
      const deniedAt = denied.get(keyHash);
      if (deniedAt !== undefined && time - deniedAt <= ttlMs) return counted("denied", { allowed: false });

      const lookup = underWay.get(keyHash);
      const isSilent = lookup !== undefined && time - lookup.askedAt >= retryMs;
      const failedAt = known?.failedAt;
      const hasJustFailed = failedAt !== undefined && time - failedAt < retryMs;
      if (hasJustFailed || (isSilent && (failedAt !== undefined || use === "revalidation"))) {
        const stale = staleVerdict(keyHash, use);
        if (stale !== undefined) return counted("stale", stale);
      }
      if (isSilent && use === "revalidation") {
        count("failed");
        throw new Error("the lookup of the key says nothing");
      }
      const signal = leaving?.();
      signal?.throwIfAborted();
      try {
        return counted("miss", await waitFor(lookup ?? begin(keyHash, trace), signal));
      } catch (error) {
        signal?.throwIfAborted();
        const stale = staleVerdict(keyHash, use);
        if (stale !== undefined) return counted("stale", stale);
        count("failed");
        throw error;
      }
    },
    invalidate(keyHash) {
      good.delete(keyHash);
      denied.delete(keyHash);
      underWay.delete(keyHash);
    },
    size: () => ({ good: good.size, denied: denied.size }),
  };
}
