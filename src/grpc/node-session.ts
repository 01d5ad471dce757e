import { connect, constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, Settings } from "node:http2";
import type { Socket } from "node:net";
import { connectSocket } from "./address.ts";
import type { Target } from "./address.ts";
import { encodeEnvelope } from "./envelope.ts";
import { Keepalive } from "./keepalive.ts";
import { requestHeaders } from "./metadata.ts";
import { BrokenSessionError, hasCode, NodeStream, NotSentError } from "./node-stream.ts";
import type {
  PingState,
  RequestStream,
  ServerWatch,
  Session,
  SessionState,
  StreamListener,
  StreamRequest,
} from "./session.ts";

/** The sessions of one pool, and what they share. */
export interface SessionContext {
  readonly target: Target;
  readonly watch: ServerWatch;
  /** Oldest first; each leaves when its socket is closed. */
  readonly sessions: Set<Session>;
  /** How many streams a session carries in its life. */
  readonly streamsPerSession: number;
  /** How many bytes of each stream the server may send ahead. */
  readonly streamWindowBytes: number;
  /** How many streams at a time a session carries until the server's settings come. */
  assumedLimit: number;
  /** The keepalive time, in milliseconds. */
  readonly timeMs: number;
  /** The keepalive timeout, in milliseconds. */
  readonly timeoutMs: number;
  /** The wait for an acknowledgement after which calls go to another server, if there is one. */
  readonly suspicionMs: number;
  readonly pings: PingState;
}

/** How many streams in a row a server may refuse before their session is replaced. */
const maxRefusals = 2;

/**
 * The longest list of response headers that servers are told to send (RFC 9113 §6.5.2). Node resets streams with more
 * than that, and breaks the session at one header of more than 64 KiB, or one list in more than 8 CONTINUATION frames.
 */
const maxHeaderListSize = 32 * 1024;

/**
 * How many bytes of all responses together a server may send ahead, beside those of each (RFC 9113 §6.9.2). With the
 * default of 64 KiB for all, large responses would leave no room for small ones.
 */
const windowBytes = 8 * 1024 * 1024;

/**
 * The memory of a session, in megabytes: without a bound. Node counts what is to be sent, and resets the responses to all
 * calls while that is more; how much is sent and received at the same time is bounded elsewhere.
 */
const maxSessionMemory = 1e6;

/** What a gRPC server sends in its GOAWAY if it takes pings for abuse. */
const tooManyPings = "too_many_pings";

/** A session of node:http2. Most of its length works around what that module does by itself. */
export class NodeSession implements Session {
  readonly #context: SessionContext;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #keepalive: Keepalive;
  readonly #isForOneStream: boolean;
  /** The open streams that may be sent again elsewhere. */
  readonly #idempotent = new Set<NodeStream>();
  /** The streams that wait for the server's settings; undefined once these have come. */
  #waiting: NodeStream[] | undefined = [];
  /** How many streams the server allows at a time. */
  #limit: number;
  #streams = 0;
  #streamsEver = 0;
  /** Streams in a row that the server has refused. */
  #refusals = 0;
  #healthCheck: ClientHttp2Stream | undefined;
  #hasResponded = false;
  #wasRejectedForPings = false;
  /** Whether it was noticed that the session is lost. */
  #isLost = false;
  /** Why its connection ended, if that is known. */
  #reason: Error | undefined;
  /** Whether its end is reported already, or is this side's own doing. */
  #isEndReported = false;
  /** The received bytes when it became suspect; undefined before. */
  #bytesWhenSuspected: number | undefined;

  /** Begins to connect, as one of the pool's sessions. */
  constructor(context: SessionContext, isForOneStream = false) {
    this.#context = context;
    this.#isForOneStream = isForOneStream;
    this.#limit = context.assumedLimit;
    this.#socket = connectSocket(context.target);
    // Before Node's session, which ends its streams.
    this.#socket
      .once("error", (error) => {
        this.#reason ??= error;
        this.releaseWaiting(error);
      })
      .once("close", () => this.releaseWaiting());
    this.#session = connect(context.target.endpoint, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, maxHeaderListSize, initialWindowSize: context.streamWindowBytes },
      maxSessionMemory,
      // Nothing is sent before the server's limit is known, so that it need not refuse anything.
      peerMaxConcurrentStreams: 0,
    });
    this.#handleDestroy();
    this.#session
      .once("connect", () => this.#session.setLocalWindowSize(windowBytes))
      .on("remoteSettings", (settings: Settings) => this.#receiveSettings(settings))
      .on("goaway", (code: number, _lastStreamId: number, debugData?: Uint8Array) =>
        this.#receiveGoaway(code, debugData),
      )
      // Its streams report it, each to its own call.
      .on("error", () => undefined);
    this.#keepalive = this.#createKeepalive();
    this.#session
      .once("remoteSettings", () => this.#keepalive.settingsReceived())
      .once("goaway", () => this.#keepalive.watch());
    context.sessions.add(this);
    this.#socket.once("close", () => {
      context.sessions.delete(this);
      this.#reportLoss();
    });
  }

  /** Node knows it best: it closes and destroys sessions by itself. */
  get state(): SessionState {
    // Node's session notices the end of its socket a little later.
    if (this.#session.destroyed || this.#socket.destroyed) return "closed";
    if (this.#session.closed) return "draining";
    return this.#waiting === undefined ? "ready" : "connecting";
  }

  get hasRoom(): boolean {
    return (
      !this.#isFull &&
      this.#streamsEver < (this.#isForOneStream ? 1 : this.#context.streamsPerSession) &&
      (this.state === "ready" || this.state === "connecting") &&
      !this.isSuspect
    );
  }

  /** Whether the server takes no stream beside those that are open. */
  get #isFull(): boolean {
    return this.#streams + (this.#healthCheck === undefined ? 0 : 1) >= this.#limit;
  }

  get isQuiet(): boolean {
    return this.#streams > 0 && this.#keepalive.isQuiet;
  }

  get isSuspect(): boolean {
    return this.#socket.bytesRead === this.#bytesWhenSuspected;
  }

  open({ headers, body, isIdempotent }: StreamRequest, listener: StreamListener): RequestStream {
    const stream = new NodeStream(this.#session.request(headers), body, listener, this);
    this.#streams += 1;
    this.#streamsEver += 1;
    if (isIdempotent) this.#idempotent.add(stream);
    this.#waiting?.push(stream);
    this.#keepalive.watch();
    return stream;
  }

  /** For its streams: response headers were received on one. */
  onResponse(): void {
    this.#refusals = 0;
    this.#receiveHeaders();
  }

  /** For its streams: one is closed. */
  onStreamClosed(stream: NodeStream, wasTurnedAway: boolean): void {
    if (wasTurnedAway) this.#countRefusal();
    this.#streams -= 1;
    this.#idempotent.delete(stream);
    if (this.#isForOneStream && !this.#session.destroyed) this.drain();
    if (!this.#session.destroyed || this.#isLost) return;
    this.#isLost = true;
    this.#suspectOthers();
    this.#reportLoss();
  }

  suspect(): void {
    // One that has received nothing yet is as good as a new one.
    if (this.#socket.bytesRead === 0) return;
    this.#bytesWhenSuspected = this.#socket.bytesRead;
    this.#keepalive.watch();
  }

  check(): void {
    if (!this.#isEndReported) this.#keepalive.checkNow();
  }

  releaseWaiting(cause?: Error): void {
    if (!this.#context.watch.hasOthers()) return;
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
    // The session would first send what it has still to send, to a server that may not read.
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
      onIdle: () => this.#closeIfSpare(),
      onSuspicion: (reason) => this.#moveCalls(reason),
      onTimeout: (reason) => {
        this.#reason ??= reason;
        this.releaseWaiting(reason);
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
   * Makes the server send headers, if it takes another stream: by a request of the gRPC health check
   * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), for the sake of the response headers alone.
   * UNIMPLEMENTED is as good as any other response.
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
      // The other streams of the session report it to their calls.
      .on("error", () => undefined)
      .on("close", () => {
        clearTimeout(timer);
        this.#healthCheck = undefined;
      })
      .resume()
      .end(encodeEnvelope(new Uint8Array()));
  }

  /** Drains the session once the server has refused enough of its streams: Node's server may refuse them for ever. */
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
    // A server that takes nothing here may take it on another session.
    if (maxConcurrentStreams === 0) this.#session.close();
    else if (waiting !== undefined) this.#context.watch.onConnected();
  }

  #receiveGoaway(code: number, debugData: Uint8Array | undefined): void {
    this.#suspectOthers();
    this.#isEndReported = true;
    this.#context.watch.onGoaway();
    if (code !== constants.NGHTTP2_ENHANCE_YOUR_CALM) return;
    if (Buffer.from(debugData ?? []).toString("latin1") !== tooManyPings) return;
    this.#wasRejectedForPings = true;
    this.#context.pings.areRejected = true;
    this.#context.watch.onKeepaliveRejected();
  }

  /** Decides how the session ends by what the server has sent. Node calls `destroy` then, and offers no other hook. */
  #handleDestroy(): void {
    const session = this.#session;
    const destroy = session.destroy.bind(session);
    session.destroy = (error, code) => {
      // Node ends the streams too that the server still serves (RFC 9113 §6.8): https://github.com/nodejs/node/blob/v24.x/lib/internal/http2/core.js
      if (this.#wasRejectedForPings && hasCode(error, "ERR_HTTP2_SESSION_ERROR")) return session.close();
      destroy(hasCode(error, "ERR_HTTP2_ERROR") ? this.#breakBy(error) : error, code);
    };
  }

  /** What its streams end with, now that the server has sent what HTTP/2 does not allow. */
  #breakBy(error: Error): BrokenSessionError {
    // A response did that: the server is there.
    if (this.#hasResponded || this.#isForOneStream) this.#isLost = this.#isEndReported = true;
    return new BrokenSessionError(error, this.#streams === 1 && this.#healthCheck === undefined);
  }

  #reportLoss(): void {
    if (this.#isEndReported) return;
    this.#isEndReported = true;
    this.#context.watch.onLost(this.#reason);
  }

  /** Ends the streams whose calls another server can take, if one is ready: those not sent, and those that can be retried. */
  #moveCalls(reason: Error): void {
    if (!this.#context.watch.hasReadyOther()) return;
    this.suspect();
    for (const stream of this.#idempotent) stream.destroy(reason);
    for (const session of this.#context.sessions) session.releaseWaiting(reason);
  }

  /** What has happened to this session may have happened to the others, and is only not noticed yet. */
  #suspectOthers(): void {
    if (this.#socket.bytesRead === 0) return;
    for (const other of this.#context.sessions) if (other !== this) other.suspect();
  }

  /** Drains it if it is of no use: it takes no more streams, or another session does too. */
  #closeIfSpare(): void {
    const isSpare = [...this.#context.sessions].some((other) => other !== this && other.hasRoom);
    if (isSpare || !this.hasRoom) this.drain();
  }
}
