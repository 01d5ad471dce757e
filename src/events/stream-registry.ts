import { Code } from "@connectrpc/connect";
import type { Revalidation } from "../auth/authenticator.ts";
import type { KeyShares } from "../load-shedding/key-shares.ts";
import { HttpError } from "../errors/http-error.ts";

/** A stream that is followed for a client. */
export interface OpenStream {
  /** Keeps the client's connection alive. */
  heartbeat(): void;
  /** Ends it before its end, so that the client asks again, elsewhere. */
  abort(): void;
}

/** How often open streams are looked after, in milliseconds. */
export interface StreamIntervals {
  readonly checkMs: number;
  /** The silence on the wire that the next tick ends, in milliseconds. */
  readonly heartbeatMs: number;
}

/** Heartbeats come well within the idle timeouts of proxies; a revoked key is noticed within a second of its cache entry's end. */
export const defaultStreamIntervals: StreamIntervals = { checkMs: 1000, heartbeatMs: 15_000 };

/**
 * The open streams of the process, at most `maxStreams`, and of each API key at most its share; looked after by one
 * timer. A tick touches the streams that are due for a heartbeat and asks once for each revalidation; what else is open
 * costs nothing.
 */
export class StreamRegistry {
  readonly #care: StreamIntervals;
  readonly #maxStreams: number;
  readonly #shares: KeyShares;
  /** When something was last sent on each stream; the one that has been silent for longest comes first. */
  readonly #sentAt = new Map<OpenStream, number>();
  readonly #followed = new Map<string, Map<OpenStream, Revalidation>>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(care: StreamIntervals, maxStreams: number, shares: KeyShares) {
    this.#care = care;
    this.#maxStreams = maxStreams;
    this.#shares = shares;
  }

  get count(): number {
    return this.#sentAt.size;
  }

  /**
   * Looks after `stream` until the function that is returned is called, which gives its place free. Throws the
   * 429 of a key that holds its share, and the 503 of a gateway that has no place left.
   */
  add(stream: OpenStream, revalidation?: Revalidation): () => void {
    if (this.#isClosed) {
      stream.abort();
      return () => undefined;
    }
    this.#shares.acquireOrThrow(revalidation?.keyHash);
    if (this.#sentAt.size >= this.#maxStreams) {
      this.#shares.release(revalidation?.keyHash);
      throw tooManyStreams();
    }
    this.#sentAt.set(stream, performance.now());
    if (revalidation !== undefined) this.#follow(stream, revalidation);
    this.#timer ??= setInterval(() => this.#tick(), this.#care.checkMs).unref();
    return () => this.#remove(stream, revalidation);
  }

  /** Notes that something is being sent on `stream`. */
  touch(stream: OpenStream): void {
    if (this.#sentAt.delete(stream)) this.#sentAt.set(stream, performance.now());
  }

  /** Cuts every stream, and every one that is added from now on. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#sentAt.keys()) stream.abort();
  }

  #follow(stream: OpenStream, revalidation: Revalidation): void {
    const streams = this.#followed.get(revalidation.id) ?? new Map<OpenStream, Revalidation>();
    this.#followed.set(revalidation.id, streams.set(stream, revalidation));
  }

  #unfollow(stream: OpenStream, { id }: Revalidation): void {
    const streams = this.#followed.get(id);
    streams?.delete(stream);
    if (streams?.size === 0) this.#followed.delete(id);
  }

  #remove(stream: OpenStream, revalidation: Revalidation | undefined): void {
    if (!this.#sentAt.delete(stream)) return;
    this.#shares.release(revalidation?.keyHash);
    if (revalidation !== undefined) this.#unfollow(stream, revalidation);
    if (this.#sentAt.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const silentSince = performance.now() - this.#care.heartbeatMs;
    for (const [stream, sentAt] of this.#sentAt) {
      if (sentAt > silentSince) break;
      stream.heartbeat();
      this.touch(stream);
    }
    for (const streams of this.#followed.values()) recheck(streams);
  }
}

function tooManyStreams(): HttpError {
  return new HttpError(Code.Unavailable, "too many event streams are open; try again later");
}

/** Cuts the streams of one revalidation when it may not follow any more, or nobody can tell. */
function recheck(streams: ReadonlyMap<OpenStream, Revalidation>): void {
  const [revalidation] = streams.values();
  const cut = () => streams.forEach((_, stream) => stream.abort());
  revalidation?.isStillValid().then((isValid) => isValid || cut(), cut);
}
