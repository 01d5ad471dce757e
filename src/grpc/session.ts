import type { IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from "node:http2";

/**
 * What calls need of HTTP/2. Only `node-session.ts` and `node-stream.ts`, which implement it, call node:http2; the other
 * files of this folder use its types of headers.
 */

/** The HTTP/2 error codes that decide over a retry (RFC 9113 §7). */
export const errorCodes = { internalError: 2, enhanceYourCalm: 11 } as const;

/** Response headers with their `:status`. */
export type ResponseHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** A request, to be sent on one stream. */
export interface StreamRequest {
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
  /** Whether the server does no work twice when it receives the request twice. */
  readonly isIdempotent: boolean;
}

/** The stream of a request. */
export interface RequestStream {
  /** Stops `onData`, and by flow control soon the server, until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends the stream by RST_STREAM (CANCEL). Its listener is not called again. */
  cancel(): void;
}

/** Is called with what a stream receives, in order; after `onClosed` not again. */
export interface StreamListener {
  onHeaders(headers: ResponseHeaders, isEndOfStream: boolean): void;
  onData(chunk: Buffer): void;
  onTrailers(trailers: IncomingHttpHeaders): void;
  onClosed(end: StreamEnd): void;
}

/**
 * How a stream has ended:
 * - `ended`: everything that the server sent was received.
 * - `not-sent`: the server has received nothing of the request.
 * - `refused`: the server has not processed the request (RFC 9113 §8.7).
 * - `reset`: the stream was reset, by the server or because the response could not be received.
 * - `session-lost`: the session was lost, or is suspect.
 * - `session-broken`: the server has sent what HTTP/2 does not allow, which ended the session.
 */
export type StreamEnd = {
  /** An HTTP/2 error code. */
  readonly code: number;
  /** The reason, as far as it is known. */
  readonly cause?: Error | undefined;
} & (
  | { readonly kind: "ended" | "not-sent" | "refused" | "reset" | "session-lost" }
  | {
      readonly kind: "session-broken";
      /** Whether nothing but the response to this request can be the reason. */
      readonly isOnlyStream: boolean;
    }
);

/** What opens the streams of calls: the session pool of one server, or a channel over several. */
export interface StreamOpener {
  /** How often a call is sent at most. */
  readonly maxAttempts: number;
  /**
   * Opens a stream at once; it waits for its session to connect. Throws a ConnectError when it is closed, and another
   * error when the headers cannot be sent. On a session of its own a stream can break no other.
   */
  open(request: StreamRequest, listener: StreamListener, isOnOwnSession?: boolean): RequestStream;
}

export type SessionState =
  /** The server's settings have not been received; requests wait for them. */
  | "connecting"
  /** Requests are sent at once. */
  | "ready"
  /** It takes no more streams and ends with the last one. */
  | "draining"
  | "closed";

/** One HTTP/2 connection with a server. */
export interface Session {
  readonly state: SessionState;
  /** Whether it takes another stream. */
  readonly hasRoom: boolean;
  /** Whether calls wait, and nothing was received for a part of the keepalive time. */
  readonly isQuiet: boolean;
  /**
   * Whether the server may be gone: a ping was not acknowledged in time, or another session with the server was lost,
   * and nothing was received since. A suspect session takes no more streams.
   */
  readonly isSuspect: boolean;
  open(request: StreamRequest, listener: StreamListener): RequestStream;
  /** Suspects the server to be gone, until something is received. */
  suspect(): void;
  /** Finds out now whether the server is there. */
  check(): void;
  /** Ends the streams that wait for the server's settings as `not-sent`, if another server can take their calls. */
  releaseWaiting(cause?: Error): void;
  /** Takes no more streams, and ends with the last one. */
  drain(): void;
  /** Ends it and its streams at once. */
  close(cause?: Error): void;
}

/** What a server's sessions report, and what they have to know of the other servers. */
export interface ServerWatch {
  /** A new session has received the server's settings. */
  onConnected(): void;
  /** A session could not be established, or was lost. */
  onLost(reason?: Error): void;
  /** The server ends a session by GOAWAY. */
  onGoaway(): void;
  /** The server ends a session because of the pings on it. */
  onKeepaliveRejected(): void;
  /** Whether there are other servers. */
  hasOthers(): boolean;
  /** Whether another one is ready, and not suspected to be gone. */
  hasReadyOther(): boolean;
}

/** What is known of the pings to one server; shared by all its sessions. */
export interface PingState {
  areRejected: boolean;
}
