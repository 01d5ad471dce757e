import { errorCode } from "./protocol.ts";

/** Header fields by their lower-case names; values of equal names are joined with ", ". */
export type HeaderFields = Readonly<Record<string, string>>;

/** A request for one stream. */
export interface StreamRequest {
  readonly path: string;
  /** The header fields in addition to those of the connection. */
  readonly headers: HeaderFields;
  readonly body: Uint8Array;
  /** Whether the request may be sent twice: the method's `idempotency_level` is NO_SIDE_EFFECTS. */
  readonly hasNoSideEffects: boolean;
}

/** Is called with what a stream receives, in order. `onClosed` is the last call. */
export interface StreamListener {
  onHeaders(status: number, fields: HeaderFields, isEndOfStream: boolean): void;
  /** `bytes` are valid during the call only. */
  onData(bytes: Buffer): void;
  onTrailers(fields: HeaderFields): void;
  onClosed(end: StreamEnd): void;
}

/**
 * How a stream has ended:
 * - `ended`: everything that the server sent was received.
 * - `not-sent`: the server has received no part of the request.
 * - `refused`: the server has not processed the request (REFUSED_STREAM or GOAWAY, RFC 9113 §8.7).
 * - `reset`: the server reset the stream.
 * - `invalid`: this side reset the stream because its response violates HTTP/2 or has too large headers.
 * - `session-lost`: the session was lost or is unresponsive.
 * - `session-broken`: the server violated HTTP/2, which ended the session.
 */
export type StreamEnd = {
  /** An HTTP/2 error code. */
  readonly code: number;
  /** The reason, if it is known. */
  readonly cause?: Error | undefined;
} & (
  | {
      readonly kind: "ended" | "not-sent" | "refused" | "reset" | "invalid" | "session-lost";
    }
  | {
      readonly kind: "session-broken";
      /** Whether the session had no other stream, so that the response to this request broke it. */
      readonly isOnlyStream: boolean;
    }
);

/** A stream as its user sees it. */
export interface RequestStream {
  readonly hasNoSideEffects: boolean;
  /** Whether the response headers were received, those of 1xx excepted. */
  readonly hasResponse: boolean;
  /** Lets flow control stop the server. `onData` may still be called with what it could send before. */
  pause(): void;
  resume(): void;
  /** Ends the stream by RST_STREAM (CANCEL). Its listener is not called again. */
  cancel(): void;
  /** The same, but the listener is called. */
  end(kind: "not-sent" | "session-lost", cause: Error | undefined): void;
}

/** The connection of a stream. */
interface StreamOwner {
  /** Resets an open stream with CANCEL. */
  reset(stream: Stream, end: StreamEnd): void;
  /** Allows the server to send `bytes` more on the stream. */
  credit(stream: Stream, bytes: number): void;
}

/** One request and its response. Only the connection changes its public fields. */
export class Stream implements RequestStream {
  readonly hasNoSideEffects: boolean;
  /** 0 until the request is sent. */
  id = 0;
  isClosed = false;
  /** Undefined once the stream is closed or cancelled. */
  listener: StreamListener | undefined;
  /** The request until it is sent. */
  request: StreamRequest | undefined;
  /** The part of the request's body that waits for flow control. */
  unsent: Uint8Array | undefined;
  /** How many bytes may be sent, and received. */
  sendWindow = 0;
  receiveWindow: number;
  hasResponse = false;
  /** How many bytes of DATA are missing, by the content-length of the response; undefined without it. */
  missingBytes: number | undefined;
  readonly #owner: StreamOwner;
  /** The received bytes that the server may not send again yet. */
  #uncredited = 0;
  #isPaused = false;

  constructor(owner: StreamOwner, request: StreamRequest, listener: StreamListener, receiveWindow: number) {
    this.#owner = owner;
    this.request = request;
    this.listener = listener;
    this.hasNoSideEffects = request.hasNoSideEffects;
    this.receiveWindow = receiveWindow;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#creditHalf();
  }

  cancel(): void {
    this.listener = undefined;
    this.#owner.reset(this, { kind: "reset", code: errorCode.cancel });
  }

  end(kind: "not-sent" | "session-lost", cause: Error | undefined): void {
    this.#owner.reset(this, { kind, code: errorCode.cancel, cause });
  }

  /** `bytes` of DATA were received. Allows the server to send them again once half of the window is used. */
  received(bytes: number): void {
    this.receiveWindow -= bytes;
    this.#uncredited += bytes;
    this.#creditHalf();
  }

  #creditHalf(): void {
    const bytes = this.#uncredited;
    if (this.#isPaused || bytes < this.receiveWindow || bytes === 0) return;
    this.#uncredited = 0;
    this.receiveWindow += bytes;
    this.#owner.credit(this, bytes);
  }
}
