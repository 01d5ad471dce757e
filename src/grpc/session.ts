import type { IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from "node:http2";

/**
 * The interface between calls and HTTP/2. Only its implementation, `node-session.ts` and `node-stream.ts`, calls
 * node:http2; the other files of this folder import no more than its header types.
 */

/** The HTTP/2 error codes that retries depend on (RFC 9113 §7). */
export const errorCodes = { internalError: 2, enhanceYourCalm: 11 } as const;

/** Response headers with their `:status`. */
export type ResponseHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** A request for one stream. */
export interface StreamRequest {
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
  /** Whether the request may be sent twice: the method's `idempotency_level` is NO_SIDE_EFFECTS. */
  readonly hasNoSideEffects: boolean;
}

/** The stream of a request. */
export interface RequestStream {
  /** Stops `onData` until `resume`; flow control soon stops the server. */
  pause(): void;
  resume(): void;
  /** Ends the stream by RST_STREAM (CANCEL). Its listener is not called again. */
  cancel(): void;
}

/** Is called with what a stream receives, in order. `onClosed` is the last call. */
export interface StreamListener {
  onHeaders(headers: ResponseHeaders, isEndOfStream: boolean): void;
  onData(chunk: Buffer): void;
  onTrailers(trailers: IncomingHttpHeaders): void;
  onClosed(end: StreamEnd): void;
}

/**
 * How a stream has ended:
 * - `ended`: everything that the server sent was received.
 * - `not-sent`: the server has received no part of the request.
 * - `refused`: the server has not processed the request (REFUSED_STREAM, RFC 9113 §8.7).
 * - `reset`: the server reset the stream, or this side reset it because it could not receive the response.
 * - `session-lost`: the session was lost or is unresponsive.
 * - `session-broken`: the server violated HTTP/2, which ended the session.
 */
export type StreamEnd = {
  /** An HTTP/2 error code. */
  readonly code: number;
  /** The reason, if it is known. */
  readonly cause?: Error | undefined;
} & (
  | { readonly kind: "ended" | "not-sent" | "refused" | "reset" | "session-lost" }
  | {
      readonly kind: "session-broken";
      /** Whether the session had no other stream, so that the response to this request broke it. */
      readonly isOnlyStream: boolean;
    }
);

/** Opens the streams of calls, on the sessions of a channel. */
export interface StreamOpener {
  /** The maximum number of attempts of a call; the first refused one is not counted. */
  readonly maxAttempts: number;
  /**
   * Returns a stream at once; the request is sent when its session is connected. Throws a ConnectError if the opener is
   * closed, and another error if the headers are not valid. A dedicated session carries this stream alone, so that the
   * response can break no other call.
   */
  open(request: StreamRequest, listener: StreamListener, onDedicatedSession?: boolean): RequestStream;
}

/** Whether the server refused a stream. ENHANCE_YOUR_CALM does not say that the request was not processed. */
export function isRefused({ kind, code }: StreamEnd): boolean {
  return kind === "refused" || code === errorCodes.enhanceYourCalm;
}

export type SessionState =
  /** The server's settings have not been received; requests wait for them. */
  | "connecting"
  /** Requests are sent at once. */
  | "ready"
  /** No new streams are opened. The session is closed after its last one. */
  | "draining"
  | "closed";

/** One HTTP/2 connection to a server. */
export interface Session {
  readonly state: SessionState;
  /** Whether another stream can be opened on it. */
  readonly hasRoom: boolean;
  /** Whether streams are open and nothing was received for part of the keepalive time. */
  readonly isStalled: boolean;
  /**
   * Whether nothing was received since a ping was late, or another session of its pool was lost or received GOAWAY. No
   * streams are opened on an unresponsive session.
   */
  readonly isUnresponsive: boolean;
  open(request: StreamRequest, listener: StreamListener): RequestStream;
  /** Makes the session unresponsive until it receives something. */
  markUnresponsive(): void;
  /** Pings the server now, unless a ping is already in flight. */
  pingNow(): void;
  /** If there are other servers, ends the streams that wait for this one's settings as `not-sent`: their calls are retried. */
  failWaitingStreams(cause?: Error): void;
  /** Opens no more streams, and closes the session after the last one. */
  drain(): void;
  /** Closes the session and its streams at once. */
  close(cause?: Error): void;
}

/** Is called with the events of a server's sessions. Knows whether calls can be made to other servers. */
export interface SessionListener {
  /** A new session has received the server's settings. */
  onConnected(): void;
  /** A session could not be established, or was lost. */
  onLost(reason?: Error): void;
  /** The server sent GOAWAY. */
  onGoaway(): void;
  /** The server sent GOAWAY because of too many pings. */
  onKeepaliveRejected(): void;
  /** Whether there are other servers. */
  hasOthers(): boolean;
  /** Whether another server is ready and not unresponsive. */
  hasReadyOther(): boolean;
}

/** The ping state of one server, shared by all its sessions. */
export interface PingState {
  /** Whether the server sent GOAWAY because of too many pings; no more are sent then. */
  areRejected: boolean;
}
