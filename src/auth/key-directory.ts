import { LRUCache } from "lru-cache";
import type { Logger } from "../telemetry/logger.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";

/** What the orchestrator says of a key: whose it is, or that it may not be used. */
export type KeyVerdict = GoodVerdict | { readonly allowed: false };

interface GoodVerdict {
  readonly allowed: true;
  readonly principal: string;
}

/** Asks the orchestrator about a key; rejects when it cannot be asked. */
export type LookUpKey = (keyHash: string, trace: TraceContext) => Promise<KeyVerdict>;

/**
 * What a key is used for: a write wants a fresh verdict, a read may have a stale one when there is no other, and
 * so may a stream that is open already, which does not wait for one either.
 */
export type KeyUse = "write" | "read" | "follow";

/** Knows which API keys are good. */
export interface KeyDirectory {
  /**
   * The verdict on a key, at most `ttlMs` old; from a good key that cannot be looked up, but for writes, at most
   * `staleMs` older. Rejects when a lookup is needed and fails.
   */
  verdictOn(keyHash: string, trace: TraceContext, use: KeyUse): Promise<KeyVerdict>;
  /** Forgets a key, so that the next question goes to the orchestrator. */
  forget(keyHash: string): void;
}

interface KeyDirectoryOptions {
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly maxEntries: number;
  /** Told once of each good key that could not be looked up again. */
  readonly logger: Logger;
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
  readonly askedAt: number;
  readonly answer: Promise<KeyVerdict>;
}

/** How long a lookup that failed is not repeated for a read, and one that says nothing is waited for by it. */
const retryMs = 1000;

/**
 * A cache before `lookUp` (contract section 7). Good keys and denials are kept apart, so that junk cannot push
 * good keys out. A refusal for want of an answer is not kept. One lookup runs at a time per key, whoever waits.
 */
export function createKeyDirectory(lookUp: LookUpKey, options: KeyDirectoryOptions): KeyDirectory {
  const { ttlMs, staleMs, maxEntries: max, logger, now = () => performance.now() } = options;
  const good = new LRUCache<string, GoodKey>({ max });
  /** When each was asked for. */
  const denied = new LRUCache<string, number>({ max });
  const underWay = new Map<string, Lookup>();

  async function lookUpAndKeep(keyHash: string, trace: TraceContext): Promise<KeyVerdict> {
    // The answer may be as old as the question: its time starts when it was asked.
    const lookup: Lookup = { askedAt: now(), answer: lookUp(keyHash, trace) };
    underWay.set(keyHash, lookup);
    // Forgotten meanwhile, the answer is older than what made it so.
    const settles = () => underWay.get(keyHash) === lookup && underWay.delete(keyHash);
    try {
      const verdict = await lookup.answer;
      if (settles()) keep(keyHash, verdict, lookup.askedAt);
      return verdict;
    } catch (error) {
      if (settles()) noteFailure(keyHash, trace, error);
      throw error;
    }
  }

  function keep(keyHash: string, verdict: KeyVerdict, askedAt: number): void {
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
      logger.warn({ event: "key.unconfirmed", ...traceFields(trace), principal, err }, "key.unconfirmed");
    }
    known.failedAt = now();
  }

  /** The verdict that serves while there is no answer. */
  function staleVerdict(keyHash: string, use: KeyUse): KeyVerdict | undefined {
    const known = good.peek(keyHash);
    if (known === undefined || use === "write" || now() - known.askedAt > ttlMs + staleMs) return undefined;
    return known.verdict;
  }

  return {
    async verdictOn(keyHash, trace, use) {
      const time = now();
      const known = good.get(keyHash);
      if (known !== undefined && time - known.askedAt <= ttlMs) return known.verdict;
      const deniedAt = denied.get(keyHash);
      if (deniedAt !== undefined && time - deniedAt <= ttlMs) return { allowed: false };

      const lookup = underWay.get(keyHash);
      const isSilent = lookup !== undefined && time - lookup.askedAt >= retryMs;
      if (isSilent || (known?.failedAt !== undefined && time - known.failedAt < retryMs)) {
        const stale = staleVerdict(keyHash, use);
        if (stale !== undefined) return stale;
      }
      if (isSilent && use === "follow") throw new Error("the lookup of the key says nothing");
      try {
        return await (lookup?.answer ?? lookUpAndKeep(keyHash, trace));
      } catch (error) {
        const stale = staleVerdict(keyHash, use);
        if (stale !== undefined) return stale;
        throw error;
      }
    },
    forget(keyHash) {
      good.delete(keyHash);
      denied.delete(keyHash);
      underWay.delete(keyHash);
    },
  };
}
