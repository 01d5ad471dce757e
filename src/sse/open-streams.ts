/** A stream that is being sent to a client. */
export interface OpenStream {
  /** Milliseconds since the last byte was sent. */
  idleMs(): number;
  /** Keeps the connection alive. */
  beat(): void;
  /** Asks whether the client may still follow; cuts the stream when it may not. */
  recheck(): void;
  /** Destroys the connection, so that the client resumes elsewhere. */
  cut(): void;
}

/** How often open streams are looked after, in milliseconds. */
export interface StreamCare {
  readonly tickMs: number;
  /** Longest silence on the wire, in milliseconds. */
  readonly heartbeatMs: number;
}

/** Heartbeats of contract section 5; a revoked key is noticed within a second of its cache entry's end. */
export const defaultCare: StreamCare = { tickMs: 1000, heartbeatMs: 15_000 };

/** The open streams of the process, looked after by one timer, however many there are. */
export class OpenStreams {
  readonly #care: StreamCare;
  readonly #streams = new Set<OpenStream>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(care: StreamCare) {
    this.#care = care;
  }

  /** Looks after `stream` until the function that is returned is called. */
  add(stream: OpenStream): () => void {
    if (this.#isClosed) stream.cut();
    this.#streams.add(stream);
    this.#timer ??= setInterval(() => this.#tick(), this.#care.tickMs).unref();
    return () => {
      this.#streams.delete(stream);
      if (this.#streams.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Cuts every stream, and every one that is added from now on. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#streams) stream.cut();
  }

  #tick(): void {
    for (const stream of this.#streams) {
      if (stream.idleMs() >= this.#care.heartbeatMs) stream.beat();
      stream.recheck();
    }
  }
}
