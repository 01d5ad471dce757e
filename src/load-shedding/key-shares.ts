import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import type { SharedLimit } from "../telemetry/http-metrics.ts";
import { Semaphore } from "./semaphore.ts";

/** Seconds until a key that holds its share tries again: requests end all the time, a quota's window does not. */
const retryAfterSeconds = 5;

/** What each limit is a limit of, in the words of its 429. */
const nouns = {
  event_streams: "event streams and waiting reads",
  downloads: "downloads",
  requests_event_stream: "requests for event streams in flight",
  requests_with_body: "requests with a body in flight",
  requests_other: "requests without a body in flight",
} satisfies Record<SharedLimit, string>;

interface KeySharesOptions {
  /** The concurrency limit. */
  readonly of: SharedLimit;
  /** How many all callers together may hold at the time. */
  readonly limit: () => number;
  /** The part of the limit that one key may hold: above 0, at most 1. */
  readonly share: number;
  /** Counts a request that was turned away. */
  readonly countOverShare: (of: SharedLimit) => void;
}

/**
 * A semaphore for each API key: a key holds at most its share of one concurrency limit, rounded down, but at least
 * one. A share of 1 bounds nothing that the limit itself does not bound. A caller without a key (`keyHash` is
 * undefined) has no share and is never turned away here. Memory grows with the keys that hold something only.
 */
export class KeyShares {
  readonly #options: KeySharesOptions;
  readonly #semaphores = new Map<string, Semaphore>();

  constructor(options: KeySharesOptions) {
    this.#options = options;
  }

  /** How many keys hold something. */
  get size(): number {
    return this.#semaphores.size;
  }

  /** Acquires one; throws the 429 of a key that holds its share. */
  acquireOrThrow(keyHash: string | undefined): void {
    if (keyHash === undefined || this.#semaphoreOf(keyHash).tryAcquire()) return;
    const { of, countOverShare } = this.#options;
    countOverShare(of);
    throw new HttpError(
      Code.ResourceExhausted,
      `too many ${nouns[of]} of this API key: at most ${this.#most()} at once; try again soon`,
      { headers: { "Retry-After": String(retryAfterSeconds) } },
    );
  }

  /** Resolves once one is acquired; those of one key that wait are served in the order of asking. */
  async acquire(keyHash: string | undefined): Promise<void> {
    if (keyHash !== undefined) await this.#semaphoreOf(keyHash).acquire();
  }

  /** Releases one that was acquired. */
  release(keyHash: string | undefined): void {
    if (keyHash === undefined) return;
    const semaphore = this.#semaphores.get(keyHash);
    semaphore?.release();
    if (semaphore?.held === 0) this.#semaphores.delete(keyHash);
  }

  #semaphoreOf(keyHash: string): Semaphore {
    let semaphore = this.#semaphores.get(keyHash);
    if (semaphore === undefined) {
      semaphore = new Semaphore(() => this.#most());
      this.#semaphores.set(keyHash, semaphore);
    }
    return semaphore;
  }

  #most(): number {
    const { limit, share } = this.#options;
    if (share === 1) return Infinity;
    // In binary 100 × 0.29 is a little less than 29.
    return Math.max(1, Math.floor(limit() * share + 1e-6));
  }
}
