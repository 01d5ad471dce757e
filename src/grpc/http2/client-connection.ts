import type { OnReadOpts, Socket } from "node:net";
import type { HeaderFields, RequestStream, StreamEnd, StreamListener, StreamRequest } from "./stream.ts";

export interface ConnectionOptions {
  /** Opens the socket. With `onread`, it reads into that buffer and emits no data. */
  readonly connect: (onread?: OnReadOpts) => Socket;
  /** The header fields of every request but `:path`, pseudo-headers first. */
  readonly headers: HeaderFields;
  /** The flow-control window of each stream, and of the connection, which is over 64 KiB, in bytes. */
  readonly streamWindowBytes: number;
  readonly windowBytes: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 §6.5.2). A response with larger headers is `invalid`. */
  readonly maxHeaderListBytes: number;
}

/** Is called with the events of a connection. */
export interface ConnectionListener {
  /** The server's settings were received; `maxStreams` is Infinity if it sets no limit. */
  onSettings(maxStreams: number): void;
  /** Response headers were received. */
  onResponse(): void;
  /** A stream is closed. Called before its own listener, which may open another stream. */
  onStreamClosed(stream: RequestStream, end: StreamEnd): void;
  /** The server accepts no more streams (GOAWAY, RFC 9113 §6.8). Returns whether its open streams may finish. */
  onGoaway(code: number, debugData: string): boolean;
  /** The connection is closed; `isBroken` if the server violated HTTP/2. Called before its streams end. */
  onClosing(reason: Error | undefined, isBroken: boolean): void;
  /** The socket is closed. */
  onClosed(): void;
}

export type ConnectionState =
  /** The server's settings have not been received; requests wait for them. */
  | "connecting"
  /** Requests are sent at once. */
  | "ready"
  /** No new streams are opened. The connection is closed after its last one. */
  | "draining"
  | "closed";

/** The client's side of one HTTP/2 connection. */
export interface ClientConnection {
  readonly state: ConnectionState;
  /** The number of bytes that were ever received. */
  readonly bytesReceived: number;
  /** The number of open streams, those that wait for the server's settings included. */
  readonly size: number;
  /** The open streams whose requests were sent, oldest first. */
  readonly sentStreams: readonly RequestStream[];
  /**
   * Opens a stream. Its request is sent at once, or when the server's settings are received. Throws a TypeError if the
   * headers cannot be sent, and an Error if the connection opens no more streams.
   */
  open(request: StreamRequest, listener: StreamListener): RequestStream;
  /** Sends a PING, and calls back when the server has acknowledged it. */
  ping(onAcknowledged: () => void): void;
  /** Sends SETTINGS without a change, and calls back when the server has acknowledged them. */
  sendSettings(onAcknowledged: () => void): void;
  /** Ends the streams that wait for the server's settings as `not-sent`. */
  endWaiting(cause: Error | undefined): void;
  /** Opens no more streams, and closes the connection after the last one. */
  drain(): void;
  /** Closes the connection and its streams at once. */
  close(reason?: Error): void;
}
