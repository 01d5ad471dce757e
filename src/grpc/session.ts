import { connectSocket } from "./address.ts";
import type { ResolvedAddress } from "./address.ts";
import { encodeEnvelope } from "./envelope.ts";
import { errorCode } from "./http2/index.ts";
import type {
  ClientConnection,
  ConnectionListener,
  ConnectionOptions,
  ConnectionState,
  RequestStream,
  StreamEnd,
  StreamListener,
  StreamRequest,
} from "./http2/index.ts";
import { Keepalive } from "./keepalive.ts";
import { connectionHeaders, requestHeaders } from "./metadata.ts";
import { isRefused } from "./retry.ts";

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

/** Creates the HTTP/2 connection of a session. */
export type CreateConnection = (options: ConnectionOptions, listener: ConnectionListener) => ClientConnection;

/** What the sessions of one pool share. */
export interface SessionContext {
  readonly address: ResolvedAddress;
  readonly userAgent: string | undefined;
  readonly createConnection: CreateConnection;
  readonly listener: SessionListener;
  /** All sessions of the pool. */
  readonly sessions: ReadonlySet<Session>;
  /** The socket of a session is closed. */
  readonly onClosed: (session: Session) => void;
  /** How many streams a session carries before it is replaced. */
  readonly streamsPerSession: number;
  /** The flow-control window of each stream, in bytes. */
  readonly streamWindowBytes: number;
  /** How many concurrent streams are opened on a session before the server's settings are received. */
  assumedLimit: number;
  /** The keepalive time, in milliseconds. */
  readonly timeMs: number;
  /** The keepalive timeout, in milliseconds. */
  readonly timeoutMs: number;
  /** How late the acknowledgement of a ping may be before calls move to another server, in milliseconds. */
  readonly unresponsiveAfterMs: number;
  readonly pings: PingState;
}

/** After this many refused streams in a row, their session is replaced. */
const maxRefusals = 2;

/** The largest response headers and trailers that a call accepts, in bytes. */
const maxHeaderListBytes = 32 * 1024;

/**
 * The flow-control window of a session, in bytes (RFC 9113 §6.9.2). With the default of 64 KiB, large responses would
 * block small ones.
 */
const windowBytes = 8 * 1024 * 1024;

/** The debug data of a gRPC server's GOAWAY after too many pings (gRFC A8). */
const tooManyPings = "too_many_pings";

/** The listener of health checks, whose result does not matter. */
const ignored: StreamListener = {
  onHeaders: () => undefined,
  onData: () => undefined,
  onTrailers: () => undefined,
  onClosed: () => undefined,
};

/**
 * One HTTP/2 connection to a server, and when calls use it.
 *
 * A session opens no more streams once it is lost, has received GOAWAY or runs out of stream ids. It opens none while it
 * is unresponsive. It is drained when it has no streams and another session has room, and when its streams are refused.
 */
export class Session implements ConnectionListener {
  readonly #context: SessionContext;
  readonly #connection: ClientConnection;
  readonly #keepalive: Keepalive;
  readonly #isDedicated: boolean;
  /** How many concurrent streams the server allows. */
  #limit: number;
  #streamsEver = 0;
  /** How many streams in a row the server has refused. */
  #refusals = 0;
  #healthCheck: RequestStream | undefined;
  #hasResponded = false;
  /** Whether the server's settings were received. */
  #isConnected = false;
  /** Whether the end of the session was reported, or needs no report because this side caused it. */
  #isEndReported = false;
  /** The number of received bytes when the session became unresponsive; undefined before. */
  #bytesWhenUnresponsive: number | undefined;

  /** Starts to connect. A dedicated session carries one stream. */
  constructor(context: SessionContext, isDedicated = false) {
    this.#context = context;
    this.#isDedicated = isDedicated;
    this.#limit = context.assumedLimit;
    const { address, userAgent, createConnection, streamWindowBytes } = context;
    this.#connection = createConnection(
      {
        connect: (onread) => connectSocket(address, onread),
        headers: connectionHeaders(address.endpoint, userAgent),
        streamWindowBytes,
        windowBytes,
        maxHeaderListBytes,
      },
      this,
    );
    this.#keepalive = new Keepalive(context, this.#connection, {
      isIdle: () => this.#streams === 0,
      requestHeaders: () => this.#checkHealth(),
      onIdle: () => this.#drainIfUnneeded(),
      onUnresponsive: (reason) => this.#retryElsewhere(reason),
      onTimeout: (reason) => this.#connection.close(reason),
    });
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Whether another stream can be opened on it. */
  get hasRoom(): boolean {
    return (
      !this.#isFull &&
      this.#streamsEver < (this.#isDedicated ? 1 : this.#context.streamsPerSession) &&
      (this.state === "ready" || this.state === "connecting") &&
      !this.isUnresponsive
    );
  }

  /** Whether streams are open and nothing was received for part of the keepalive time. */
  get isStalled(): boolean {
    return this.#streams > 0 && this.#keepalive.isStalled;
  }

  /**
   * Whether nothing was received since a ping was late, or another session of its pool was lost or received GOAWAY. No
   * streams are opened on an unresponsive session.
   */
  get isUnresponsive(): boolean {
    return this.#connection.bytesReceived === this.#bytesWhenUnresponsive;
  }

  /** Opens a stream as `ClientConnection` does. */
  open(request: StreamRequest, listener: StreamListener): RequestStream {
    const stream = this.#connection.open(request, listener);
    this.#streamsEver += 1;
    this.#keepalive.resume();
    return stream;
  }

  /** Makes the session unresponsive until it receives something. */
  markUnresponsive(): void {
    const { bytesReceived } = this.#connection;
    // A session that has received nothing yet is as good as a new one.
    if (bytesReceived === 0) return;
    this.#bytesWhenUnresponsive = bytesReceived;
    this.#keepalive.resume();
  }

  /** Pings the server now, unless a ping is already in flight. */
  pingNow(): void {
    if (!this.#isEndReported) this.#keepalive.pingNow();
  }

  /** If there are other servers, ends the streams that wait for this one's settings as `not-sent`: their calls are retried. */
  failWaitingStreams(cause?: Error): void {
    if (this.#context.listener.hasOthers()) this.#connection.endWaiting(cause);
  }

  /** Opens no more streams, and closes the session after the last one. */
  drain(): void {
    this.#isEndReported = true;
    this.#connection.drain();
  }

  /** Closes the session and its streams at once. */
  close(cause?: Error): void {
    this.#connection.close(cause);
  }

  onSettings(maxStreams: number): void {
    this.#limit = maxStreams;
    // A server that allows no streams on this session may allow some on another.
    if (maxStreams === 0) return this.#connection.drain();
    this.#context.assumedLimit = maxStreams;
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#keepalive.settingsReceived();
    this.#context.listener.onConnected();
  }

  onResponse(): void {
    this.#refusals = 0;
    this.#hasResponded = true;
    this.#keepalive.headersReceived();
  }

  onStreamClosed(stream: RequestStream, end: StreamEnd): void {
    if (stream === this.#healthCheck) {
      this.#healthCheck = undefined;
      return;
    }
    if (!stream.hasResponse && isRefused(end)) this.#countRefusal();
    if (this.#isDedicated) this.drain();
  }

  onGoaway(code: number, debugData: string): boolean {
    const { listener, pings } = this.#context;
    this.#markOthersUnresponsive();
    this.#isEndReported = true;
    this.#keepalive.resume();
    listener.onGoaway();
    if (code !== errorCode.enhanceYourCalm || debugData !== tooManyPings) return code === errorCode.noError;
    pings.areRejected = true;
    listener.onKeepaliveRejected();
    return true;
  }

  onClosing(reason: Error | undefined, isBroken: boolean): void {
    this.failWaitingStreams(reason);
    // If a response broke the session, the server is reachable and not lost.
    if (isBroken && (this.#hasResponded || this.#isDedicated)) this.#isEndReported = true;
    else if (this.#streams > 0) this.#markOthersUnresponsive();
    if (this.#isEndReported) return;
    this.#isEndReported = true;
    this.#context.listener.onLost(reason);
  }

  onClosed(): void {
    this.#context.onClosed(this);
  }

  /** The number of open streams, without the health check. */
  get #streams(): number {
    return this.#connection.size - (this.#healthCheck === undefined ? 0 : 1);
  }

  /** Whether the server allows no stream in addition to the open ones. */
  get #isFull(): boolean {
    return this.#connection.size >= this.#limit;
  }

  /**
   * Makes the server send response headers, if it allows another stream. Calls the gRPC health check
   * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md) and ignores its result, which may be UNIMPLEMENTED.
   */
  #checkHealth(): void {
    if (this.state !== "ready" || this.#isFull || this.#healthCheck !== undefined) return;
    const { timeoutMs } = this.#context;
    const request: StreamRequest = {
      path: "/grpc.health.v1.Health/Check",
      headers: requestHeaders(timeoutMs, undefined),
      body: encodeEnvelope(new Uint8Array()),
      hasNoSideEffects: true,
    };
    const stream = this.#connection.open(request, ignored);
    this.#healthCheck = stream;
    setTimeout(() => stream.cancel(), timeoutMs).unref();
  }

  /** Drains the session after `maxRefusals`: Node's server may refuse all further streams of a session. */
  #countRefusal(): void {
    this.#refusals += 1;
    if (this.#refusals >= maxRefusals) this.drain();
  }

  /** If another server is ready, ends the streams whose calls can be retried there: without side effects, or not sent. */
  #retryElsewhere(reason: Error): void {
    const { listener, sessions } = this.#context;
    if (!listener.hasReadyOther()) return;
    this.markUnresponsive();
    for (const stream of this.#connection.sentStreams)
      if (stream.hasNoSideEffects) stream.end("session-lost", reason);
    for (const session of sessions) session.failWaitingStreams(reason);
  }

  /** The other sessions may be lost too without having noticed it yet. */
  #markOthersUnresponsive(): void {
    if (this.#connection.bytesReceived === 0) return;
    for (const other of this.#context.sessions) if (other !== this) other.markUnresponsive();
  }

  /** Drains the session if it has no room, or another session has. */
  #drainIfUnneeded(): void {
    const isAnotherUsable = [...this.#context.sessions].some((other) => other !== this && other.hasRoom);
    if (isAnotherUsable || !this.hasRoom) this.drain();
  }
}
