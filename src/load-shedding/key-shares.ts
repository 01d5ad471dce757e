import { Code } from "@connectrpc/connect";
import { HttpError } from "../errors/http-error.ts";
import type { SharedLimit } from "../telemetry/metrics.ts";
import { Semaphore } from "./semaphore.ts";

/** The `Retry-After` of a key at its share, in seconds: shorter than that of a quota, since requests end all the time. */
const retryAfterSeconds = 5;

/** What the message of each limit's 429 says that the key has too many of. */
const limitDescriptions = {
  event_streams: "event streams and waiting reads",
  downloads: "downloads",
  requests_event_stream: "requests for event streams in flight",
  requests_with_body: "requests with a body in flight",
  requests_other: "requests without a body in flight",
} satisfies Record<SharedLimit, string>;

interface KeySharesOptions {
  /** The concurrency limit. */
  readonly of: SharedLimit;
  /** How many all callers together may hold at present. */
  readonly limit: () => number;
  /** The part of the limit that one key may hold, above 0 and at most 1. */
  readonly share: number;
  /** Counts a request that is rejected. */
  readonly countOverShare: (of: SharedLimit) => void;
}

/**
 * A semaphore for each API key: a key holds at most its share of one concurrency limit, rounded down, but at least one.
 * With a share of 1 only the limit itself applies. A caller without a key (`keyHash` is undefined) has no share and
 * never waits. Memory grows only with the keys that hold a permit.
 */
export class KeyShares {
  readonly #options: KeySharesOptions;
  readonly #semaphores = new Map<string, Semaphore>();

  constructor(options: KeySharesOptions) {
    this.#options = options;
  }

  /** How many keys hold a permit. */
  get size(): number {
    return this.#semaphores.size;
  }

  /** Acquires a permit at once; throws 429 when the key holds its share. */
  acquireOrThrow(keyHash: string | undefined): void {
    if (keyHash === undefined || this.#semaphoreOf(keyHash).tryAcquire()) return;
    const { of, countOverShare } = this.#options;
    countOverShare(of);
    throw new HttpError(
      Code.ResourceExhausted,
      `too many ${limitDescriptions[of]} with this API key: at most ${this.#maxPerKey()} at once; try again soon`,
      { headers: { "Retry-After": String(retryAfterSeconds) } },
    );
  }

  /** Resolves when a permit is acquired; the waiters of one key are served in the order of their calls. */
  async acquire(keyHash: string | undefined): Promise<void> {
    if (keyHash !== undefined) await this.#semaphoreOf(keyHash).acquire();
  }

  release(keyHash: string | undefined): void {
    if (keyHash === undefined) return;
    const semaphore = this.#semaphores.get(keyHash);
    semaphore?.release();
    if (semaphore?.held === 0) this.#semaphores.delete(keyHash);
  }

  #semaphoreOf(keyHash: string): Semaphore {
    let semaphore = this.#semaphores.get(keyHash);
    if (semaphore === undefined) {
      semaphore = new Semaphore(() => this.#maxPerKey());
      this.#semaphores.set(keyHash, semaphore);
    }
    return semaphore;
  }

  #maxPerKey(): number {
    const { limit, share } = this.#options;
    if (share === 1) return Infinity;
    // As floating-point numbers, 100 × 0.29 is slightly less than 29.
    return Math.max(1, Math.floor(limit() * share + 1e-6));
  }
}
