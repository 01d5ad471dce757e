import { Code } from "@connectrpc/connect";
import type { Revalidation } from "../auth/authenticator.ts";
import type { KeyShares } from "../load-shedding/key-shares.ts";
import { HttpError } from "../errors/http-error.ts";

/** A stream that is open for a client. */
export interface OpenStream {
  /** Keeps the client's connection alive. */
  heartbeat(): void;
  /** Ends the stream early, so that the client resumes; at another gateway if this one is shutting down. */
  abort(): void;
}

/** The registration of a stream. Disposal removes the stream from the registry. */
export interface StreamRegistration extends Disposable {
  /** Records that something is sent on the stream, so that its next heartbeat is due later. */
  recordSent(): void;
}

/** The intervals of the registry, in milliseconds. */
export interface StreamIntervals {
  /** The time between two checks of the open streams. */
  readonly checkMs: number;
  /** The idle time of a stream after which the next check sends a heartbeat. */
  readonly heartbeatMs: number;
}

/** Heartbeats well within the idle timeouts of proxies; a revoked key is noticed within a second of its cache entry's end. */
export const defaultStreamIntervals: StreamIntervals = { checkMs: 1000, heartbeatMs: 15_000 };

/**
 * The open streams of the process: at most `maxStreams`, and of each API key at most its share. One timer serves all of
 * them: a check visits only the streams that are due for a heartbeat, and revalidates each caller once.
 */
export class StreamRegistry {
  readonly #intervals: StreamIntervals;
  readonly #maxStreams: number;
  readonly #shares: KeyShares;
  /** When something was last sent on each stream, the least recent first. */
  readonly #sentAt = new Map<OpenStream, number>();
  /** The streams of each caller that is revalidated, by the id of the revalidation. */
  readonly #revalidated = new Map<string, Map<OpenStream, Revalidation>>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(intervals: StreamIntervals, maxStreams: number, shares: KeyShares) {
    this.#intervals = intervals;
    this.#maxStreams = maxStreams;
    this.#shares = shares;
  }

  get count(): number {
    return this.#sentAt.size;
  }

  /**
   * Adds a stream, which is aborted once its caller is no longer allowed. Throws 429 when the API key holds its share,
   * and 503 when `maxStreams` are open.
   */
  add(stream: OpenStream, revalidation?: Revalidation): StreamRegistration {
    if (this.#isClosed) stream.abort();
    else this.#insert(stream, revalidation);
    return {
      recordSent: () => this.#recordSent(stream),
      [Symbol.dispose]: () => this.#remove(stream, revalidation),
    };
  }

  /** Aborts all streams, including those that are added later. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#sentAt.keys()) stream.abort();
  }

  #insert(stream: OpenStream, revalidation: Revalidation | undefined): void {
    this.#shares.acquireOrThrow(revalidation?.keyHash);
    if (this.#sentAt.size >= this.#maxStreams) {
      this.#shares.release(revalidation?.keyHash);
      throw new HttpError(Code.Unavailable, "too many event streams are open; try again later");
    }
    this.#sentAt.set(stream, performance.now());
    if (revalidation !== undefined) {
      const streams = this.#revalidated.get(revalidation.id) ?? new Map<OpenStream, Revalidation>();
      this.#revalidated.set(revalidation.id, streams.set(stream, revalidation));
    }
    this.#timer ??= setInterval(() => this.#check(), this.#intervals.checkMs).unref();
  }

  #recordSent(stream: OpenStream): void {
    if (this.#sentAt.delete(stream)) this.#sentAt.set(stream, performance.now());
  }

  #remove(stream: OpenStream, revalidation: Revalidation | undefined): void {
    if (!this.#sentAt.delete(stream)) return;
    this.#shares.release(revalidation?.keyHash);
    if (revalidation !== undefined) {
      const streams = this.#revalidated.get(revalidation.id);
      streams?.delete(stream);
      if (streams?.size === 0) this.#revalidated.delete(revalidation.id);
    }
    if (this.#sentAt.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const idleSince = performance.now() - this.#intervals.heartbeatMs;
    for (const [stream, sentAt] of this.#sentAt) {
      if (sentAt > idleSince) break;
      stream.heartbeat();
      this.#recordSent(stream);
    }
    for (const streams of this.#revalidated.values()) revalidate(streams);
  }
}

/** Aborts the streams of one caller when it is no longer allowed, and when neither a lookup nor the cache can say. */
function revalidate(streams: ReadonlyMap<OpenStream, Revalidation>): void {
  const [revalidation] = streams.values();
  const abortAll = () => streams.forEach((_, stream) => stream.abort());
  revalidation?.isStillValid().then((isValid) => isValid || abortAll(), abortAll);
}
