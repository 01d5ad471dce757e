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

/** The intervals of the registry, in milliseconds. */
export interface StreamIntervals {
  /** The time between two checks of the open streams. */
  readonly checkMs: number;
  /** The idle time of a stream after which the next check sends a heartbeat. */
  readonly heartbeatMs: number;
}

/** Heartbeats well within the idle timeouts of proxies; a revoked key is noticed within a second of its cache entry's end. */
export const defaultStreamIntervals: StreamIntervals = { checkMs: 1000, heartbeatMs: 15_000 };

/** The registration of a stream. Disposal removes the stream from the registry. */
export interface StreamRegistration extends Disposable {
  /** Records that something is sent on the stream, so that its next heartbeat is due later. */
  recordSent(): void;
}

class Registration implements StreamRegistration {
  readonly stream: OpenStream;
  readonly revalidation: Revalidation | undefined;
  /** When something was last sent on the stream, in milliseconds on a monotonic clock. */
  sentAt = performance.now();
  readonly #remove: (registration: Registration) => void;

  constructor(
    stream: OpenStream,
    revalidation: Revalidation | undefined,
    remove: (registration: Registration) => void,
  ) {
    this.stream = stream;
    this.revalidation = revalidation;
    this.#remove = remove;
  }

  recordSent(): void {
    this.sentAt = performance.now();
  }

  [Symbol.dispose](): void {
    this.#remove(this);
  }
}

/**
 * The open streams of the process: at most `maxStreams`, and of each API key at most its share. One timer serves all of
 * them: a check sends the heartbeats that are due, and revalidates each caller once.
 */
export class StreamRegistry {
  readonly #intervals: StreamIntervals;
  readonly #maxStreams: number;
  readonly #shares: KeyShares;
  readonly #registrations = new Set<Registration>();
  /** Those of each caller that is revalidated, by the id of the revalidation. */
  readonly #revalidated = new Map<string, Set<Registration>>();
  readonly #remove = (registration: Registration) => this.#delete(registration);
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(intervals: StreamIntervals, maxStreams: number, shares: KeyShares) {
    this.#intervals = intervals;
    this.#maxStreams = maxStreams;
    this.#shares = shares;
  }

  get count(): number {
    return this.#registrations.size;
  }

  /**
   * Adds a stream, which is aborted once its caller is no longer allowed. Throws 429 when the API key holds its share,
   * and 503 when `maxStreams` are open.
   */
  add(stream: OpenStream, revalidation?: Revalidation): StreamRegistration {
    const registration = new Registration(stream, revalidation, this.#remove);
    if (this.#isClosed) stream.abort();
    else this.#insert(registration);
    return registration;
  }

  /** Aborts all streams, including those that are added later. */
  close(): void {
    this.#isClosed = true;
    for (const { stream } of this.#registrations) stream.abort();
  }

  #insert(registration: Registration): void {
    const { revalidation } = registration;
    this.#shares.acquireOrThrow(revalidation?.keyHash);
    if (this.#registrations.size >= this.#maxStreams) {
      this.#shares.release(revalidation?.keyHash);
      throw new HttpError(Code.Unavailable, "too many event streams are open; try again later");
    }
    this.#registrations.add(registration);
    if (revalidation !== undefined) {
      const registrations = this.#revalidated.get(revalidation.id) ?? new Set<Registration>();
      this.#revalidated.set(revalidation.id, registrations.add(registration));
    }
    this.#timer ??= setInterval(() => this.#check(), this.#intervals.checkMs).unref();
  }

  #delete(registration: Registration): void {
    if (!this.#registrations.delete(registration)) return;
    const { revalidation } = registration;
    this.#shares.release(revalidation?.keyHash);
    if (revalidation !== undefined) {
      const registrations = this.#revalidated.get(revalidation.id);
      registrations?.delete(registration);
      if (registrations?.size === 0) this.#revalidated.delete(revalidation.id);
    }
    if (this.#registrations.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const now = performance.now();
    for (const registration of this.#registrations) {
      if (registration.sentAt > now - this.#intervals.heartbeatMs) continue;
      registration.stream.heartbeat();
      registration.sentAt = now;
    }
    for (const registrations of this.#revalidated.values()) revalidate(registrations);
  }
}

/** Aborts the streams of one caller when it is no longer allowed, and when neither a lookup nor the cache can say. */
function revalidate(registrations: ReadonlySet<Registration>): void {
  const [first] = registrations;
  const abortAll = () => registrations.forEach(({ stream }) => stream.abort());
  first?.revalidation?.isStillValid().then((isValid) => isValid || abortAll(), abortAll);
}
