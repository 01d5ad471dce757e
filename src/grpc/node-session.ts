import { connect, constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, Settings } from "node:http2";
import type { Socket } from "node:net";
import { connectSocket } from "./address.ts";
import type { ResolvedAddress } from "./address.ts";
import { encodeEnvelope } from "./envelope.ts";
import { Keepalive } from "./keepalive.ts";
import { requestHeaders } from "./metadata.ts";
import { BrokenSessionError, hasCode, NodeStream, NotSentError } from "./node-stream.ts";
import type {
  PingState,
  RequestStream,
  SessionListener,
  Session,
  SessionState,
  StreamListener,
  StreamRequest,
} from "./session.ts";

/** What the sessions of one pool share. */
export interface SessionContext {
  readonly address: ResolvedAddress;
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

/**
 * SETTINGS_MAX_HEADER_LIST_SIZE, in bytes (RFC 9113 §6.5.2). Node resets a stream whose response headers are larger. It
 * destroys the session if one header is larger than 64 KiB or a header list has more than 8 CONTINUATION frames.
 */
const maxHeaderListSize = 32 * 1024;

/**
 * The flow-control window of a session, in bytes (RFC 9113 §6.9.2). With the default of 64 KiB, large responses would
 * block small ones.
 */
const windowBytes = 8 * 1024 * 1024;

/**
 * Node's memory limit of a session, in megabytes: practically none. Node also counts what waits to be sent, and resets
 * every response while the limit is exceeded. The gateway bounds what is sent and received elsewhere.
 */
const maxSessionMemory = 1e6;

/** The debug data of a gRPC server's GOAWAY after too many pings (gRFC A8). */
const tooManyPings = "too_many_pings";

/**
 * A session of node:http2. Most of this class works around node:http2.
 *
 * A session opens no more streams once it is lost, has received GOAWAY or runs out of stream ids. It opens none while it
 * is unresponsive. It is drained when it has no streams and another session has room, and when its streams are refused.
 */
export class NodeSession implements Session {
  readonly #context: SessionContext;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #keepalive: Keepalive;
  readonly #isDedicated: boolean;
  /** The open streams whose requests may be sent twice. */
  readonly #withoutSideEffects = new Set<NodeStream>();
  /** The streams that wait for the server's settings; undefined once those are received. */
  #waiting: NodeStream[] | undefined = [];
  /** How many concurrent streams the server allows. */
  #limit: number;
  #streams = 0;
  #streamsEver = 0;
  /** How many streams in a row the server has refused. */
  #refusals = 0;
  #healthCheck: ClientHttp2Stream | undefined;
  #hasResponded = false;
  #wasRejectedForPings = false;
  /** Whether the loss of the session was handled. */
  #isLost = false;
  /** Why the connection ended, if it is known. */
  #reason: Error | undefined;
  /** Whether the end of the session was reported, or needs no report because this side caused it. */
  #isEndReported = false;
  /** The number of received bytes when the session became unresponsive; undefined before. */
  #bytesWhenUnresponsive: number | undefined;

  /** Starts to connect. A dedicated session carries one stream. */
  constructor(context: SessionContext, isDedicated = false) {
    this.#context = context;
    this.#isDedicated = isDedicated;
    this.#limit = context.assumedLimit;
    this.#socket = connectSocket(context.address);
    // Runs before the same events reach Node's session, which then ends its streams.
    this.#socket
      .once("error", (error) => {
        this.#reason ??= error;
        this.failWaitingStreams(error);
      })
      .once("close", () => this.failWaitingStreams());
    this.#session = connect(context.address.endpoint, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, maxHeaderListSize, initialWindowSize: context.streamWindowBytes },
      maxSessionMemory,
      // Streams wait until the server's limit is known, so that the server refuses none.
      peerMaxConcurrentStreams: 0,
    });
    this.#handleDestroy();
    this.#session
      .once("connect", () => this.#session.setLocalWindowSize(windowBytes))
      .on("remoteSettings", (settings: Settings) => this.#receiveSettings(settings))
      .on("goaway", (code: number, _lastStreamId: number, debugData?: Uint8Array) =>
        this.#receiveGoaway(code, debugData),
      )
      // Each stream reports the error to its call.
      .on("error", () => undefined);
    this.#keepalive = this.#createKeepalive();
    this.#session
      .once("remoteSettings", () => this.#keepalive.settingsReceived())
      .once("goaway", () => this.#keepalive.resume());
    this.#socket.once("close", () => {
      context.onClosed(this);
      this.#reportLoss();
    });
  }

  /** Derived from Node's session, since Node closes and destroys sessions on its own. */
  get state(): SessionState {
    // Node destroys the session a little later than its socket.
    if (this.#session.destroyed || this.#socket.destroyed) return "closed";
    if (this.#session.closed) return "draining";
    return this.#waiting === undefined ? "ready" : "connecting";
  }

  get hasRoom(): boolean {
    return (
      !this.#isFull &&
      this.#streamsEver < (this.#isDedicated ? 1 : this.#context.streamsPerSession) &&
      (this.state === "ready" || this.state === "connecting") &&
      !this.isUnresponsive
    );
  }

  /** Whether the server allows no stream in addition to the open ones. */
  get #isFull(): boolean {
    return this.#streams + (this.#healthCheck === undefined ? 0 : 1) >= this.#limit;
  }

  get isStalled(): boolean {
    return this.#streams > 0 && this.#keepalive.isStalled;
  }

  get isUnresponsive(): boolean {
    return this.#socket.bytesRead === this.#bytesWhenUnresponsive;
  }

  open({ headers, body, hasNoSideEffects }: StreamRequest, listener: StreamListener): RequestStream {
    const stream = new NodeStream(this.#session.request(headers), body, listener, this);
    this.#streams += 1;
    this.#streamsEver += 1;
    if (hasNoSideEffects) this.#withoutSideEffects.add(stream);
    this.#waiting?.push(stream);
    this.#keepalive.resume();
    return stream;
  }

  /** Called by a stream that has received response headers. */
  onResponse(): void {
    this.#refusals = 0;
    this.#receiveHeaders();
  }

  /** Called by a stream that is closed. */
  onStreamClosed(stream: NodeStream, wasRefused: boolean): void {
    if (wasRefused) this.#countRefusal();
    this.#streams -= 1;
    this.#withoutSideEffects.delete(stream);
    if (this.#isDedicated && !this.#session.destroyed) this.drain();
    if (!this.#session.destroyed || this.#isLost) return;
    this.#isLost = true;
    this.#markOthersUnresponsive();
    this.#reportLoss();
  }

  markUnresponsive(): void {
    // A session that has received nothing yet is as good as a new one.
    if (this.#socket.bytesRead === 0) return;
    this.#bytesWhenUnresponsive = this.#socket.bytesRead;
    this.#keepalive.resume();
  }

  pingNow(): void {
    if (!this.#isEndReported) this.#keepalive.pingNow();
  }

  failWaitingStreams(cause?: Error): void {
    if (!this.#context.listener.hasOthers()) return;
    for (const stream of this.#waiting?.splice(0) ?? []) {
      if (stream.isOpen) stream.destroy(new NotSentError("no connection", { cause }));
    }
  }

  drain(): void {
    this.#isEndReported = true;
    this.#session.close();
  }

  close(cause?: Error): void {
    this.#session.destroy(cause);
    // Node's session waits until everything is sent, but the server may not read.
    this.#socket.destroy();
  }

  #createKeepalive(): Keepalive {
    const session = this.#session;
    const onlyAcknowledged = (act: () => void) => (error: Error | null) => {
      if (error === null) act();
    };
    const state = () => this.state;
    const bytesReceived = () => this.#socket.bytesRead;
    return new Keepalive(this.#context, {
      get state() {
        return state();
      },
      get bytesReceived() {
        return bytesReceived();
      },
      isIdle: () => this.#streams === 0,
      ping: (onAcknowledged) => void session.ping(onlyAcknowledged(onAcknowledged)),
      sendSettings: (onAcknowledged) => session.settings({}, onlyAcknowledged(onAcknowledged)),
      requestHeaders: () => this.#requestHeaders(),
      onIdle: () => this.#drainIfUnneeded(),
      onUnresponsive: (reason) => this.#retryElsewhere(reason),
      onTimeout: (reason) => {
        this.#reason ??= reason;
        this.failWaitingStreams(reason);
        this.close(reason);
      },
      closeSocket: () => void this.#socket.destroy(),
    });
  }

  #receiveHeaders(): void {
    this.#hasResponded = true;
    this.#keepalive.headersReceived();
  }

  /**
   * Makes the server send response headers, if it allows another stream. Calls the gRPC health check
   * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md) and ignores its result, which may be UNIMPLEMENTED.
   */
  #requestHeaders(): void {
    if (this.#session.closed || this.#isFull || this.#healthCheck !== undefined) return;
    const { timeoutMs } = this.#context;
    const stream = this.#session.request(
      requestHeaders("/grpc.health.v1.Health/Check", timeoutMs, undefined),
    );
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), timeoutMs).unref();
    this.#healthCheck = stream;
    stream
      .on("response", () => this.#receiveHeaders())
      // The other streams of the session report the error to their calls.
      .on("error", () => undefined)
      .on("close", () => {
        clearTimeout(timer);
        this.#healthCheck = undefined;
      })
      .resume()
      .end(encodeEnvelope(new Uint8Array()));
  }

  /** Drains the session after `maxRefusals`: Node's server may refuse all further streams of a session. */
  #countRefusal(): void {
    this.#refusals += 1;
    if (this.#refusals >= maxRefusals) this.drain();
  }

  #receiveSettings({ maxConcurrentStreams = Infinity }: Settings): void {
    this.#limit = maxConcurrentStreams;
    if (maxConcurrentStreams > 0) this.#context.assumedLimit = maxConcurrentStreams;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const stream of waiting?.filter(({ isOpen }) => isOpen).slice(maxConcurrentStreams) ?? []) {
      stream.destroy(
        new NotSentError("the server allows fewer streams at a time than waited for its settings"),
      );
    }
    // A server that allows no streams on this session may allow some on another.
    if (maxConcurrentStreams === 0) this.#session.close();
    else if (waiting !== undefined) this.#context.listener.onConnected();
  }

  #receiveGoaway(code: number, debugData: Uint8Array | undefined): void {
    this.#markOthersUnresponsive();
    this.#isEndReported = true;
    this.#context.listener.onGoaway();
    if (code !== constants.NGHTTP2_ENHANCE_YOUR_CALM) return;
    if (Buffer.from(debugData ?? []).toString("latin1") !== tooManyPings) return;
    this.#wasRejectedForPings = true;
    this.#context.pings.areRejected = true;
    this.#context.listener.onKeepaliveRejected();
  }

  /**
   * Replaces `destroy` of Node's session. Node 24 calls it when it receives GOAWAY with an error code (`onGoawayData`) or
   * bytes that violate HTTP/2 (`onSessionInternalError`), and has no other hook to keep or to mark the streams. See
   * https://github.com/nodejs/node/blob/v24.x/lib/internal/http2/core.js
   */
  #handleDestroy(): void {
    const session = this.#session;
    const destroy = session.destroy.bind(session);
    session.destroy = (error, code) => {
      // Node would also end the streams that the server still serves (RFC 9113 §6.8).
      if (this.#wasRejectedForPings && hasCode(error, "ERR_HTTP2_SESSION_ERROR")) return session.close();
      destroy(hasCode(error, "ERR_HTTP2_ERROR") ? this.#brokenBy(error) : error, code);
    };
  }

  /** The error for the streams of a session on which the server violated HTTP/2. */
  #brokenBy(error: Error): BrokenSessionError {
    // A response broke the session, so that the server is reachable and not lost.
    if (this.#hasResponded || this.#isDedicated) this.#isLost = this.#isEndReported = true;
    return new BrokenSessionError(error, this.#streams === 1 && this.#healthCheck === undefined);
  }

  #reportLoss(): void {
    if (this.#isEndReported) return;
    this.#isEndReported = true;
    this.#context.listener.onLost(this.#reason);
  }

  /** If another server is ready, ends the streams whose calls can be retried there: without side effects, or not sent. */
  #retryElsewhere(reason: Error): void {
    if (!this.#context.listener.hasReadyOther()) return;
    this.markUnresponsive();
    for (const stream of this.#withoutSideEffects) stream.destroy(reason);
    for (const session of this.#context.sessions) session.failWaitingStreams(reason);
  }

  /** The other sessions may be lost too without having noticed it yet. */
  #markOthersUnresponsive(): void {
    if (this.#socket.bytesRead === 0) return;
    for (const other of this.#context.sessions) if (other !== this) other.markUnresponsive();
  }

  /** Drains the session if it has no room, or another session has. */
  #drainIfUnneeded(): void {
    const isAnotherUsable = [...this.#context.sessions].some((other) => other !== this && other.hasRoom);
    if (isAnotherUsable || !this.hasRoom) this.drain();
  }
}
