import { LRUCache } from "lru-cache";
import type { TraceContext } from "../telemetry/trace-context.ts";

/** What the orchestrator says of a key: whose it is, or that it may not be used. */
export type KeyVerdict = { readonly allowed: true; readonly principal: string } | { readonly allowed: false };

/** Asks the orchestrator about a key; rejects when it cannot be asked. */
export type LookUpKey = (keyHash: string, trace: TraceContext) => Promise<KeyVerdict>;

/** Knows which API keys are good, at most `ttlMs` late. */
export interface KeyDirectory {
  /** The verdict on a key, from the cache while it is fresh. Rejects when a lookup is needed and fails. */
  verdictOn(keyHash: string, trace: TraceContext): Promise<KeyVerdict>;
  /** Forgets a key, so that the next question goes to the orchestrator. */
  forget(keyHash: string): void;
}

interface KeyDirectoryOptions {
  readonly ttlMs: number;
  readonly maxEntries: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

/**
 * A cache before `lookUp` (contract section 7). Good keys and denials are kept apart, so that junk cannot push
 * good keys out. Failed lookups are not kept. One lookup runs at a time per key, whoever waits for it.
 */
export function createKeyDirectory(lookUp: LookUpKey, options: KeyDirectoryOptions): KeyDirectory {
  const now = options.now ?? (() => performance.now());
  const cache = () =>
    new LRUCache<string, KeyVerdict>({
      max: options.maxEntries,
      ttl: options.ttlMs,
      ttlResolution: 0,
      perf: { now },
    });
  const allowed = cache();
  const denied = cache();
  const underWay = new Map<string, Promise<KeyVerdict>>();

  async function lookUpAndKeep(keyHash: string, trace: TraceContext): Promise<KeyVerdict> {
    // The answer may be as old as the question: its time starts when it was asked.
    const start = now();
    const lookup = lookUp(keyHash, trace);
    underWay.set(keyHash, lookup);
    try {
      const verdict = await lookup;
      // Forgotten meanwhile, the answer is older than what made it so.
      if (underWay.get(keyHash) !== lookup) return verdict;
      (verdict.allowed ? denied : allowed).delete(keyHash);
      (verdict.allowed ? allowed : denied).set(keyHash, verdict, { start });
      return verdict;
    } finally {
      if (underWay.get(keyHash) === lookup) underWay.delete(keyHash);
    }
  }

  return {
    async verdictOn(keyHash, trace) {
      const known = allowed.get(keyHash) ?? denied.get(keyHash);
      return known ?? underWay.get(keyHash) ?? lookUpAndKeep(keyHash, trace);
    },
    forget(keyHash) {
      allowed.delete(keyHash);
      denied.delete(keyHash);
      underWay.delete(keyHash);
    },
  };
}
