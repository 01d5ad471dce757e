import { connect, constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders, Settings } from "node:http2";
import type { Socket } from "node:net";
import { sendHealthCheck } from "./health-check.ts";
import { Keepalive } from "./keepalive.ts";
import { BrokenSessionError, hasCode, isRefused } from "./lost-streams.ts";
import { MovableStreams } from "./movable-streams.ts";
import { connectSocket } from "./socket.ts";
import type { GrpcTarget } from "./address.ts";

/** Who hears what the sessions with a server find out about it. */
export interface GrpcPeerWatch {
  /** The server has told its settings on a new session. */
  reached(): void;
  /** A session was not established, or was lost. */
  lost(reason?: Error): void;
  /** The server ends a session in good order. */
  left(): void;
  /** The server ends a session because of its pings. */
  refusedPings(): void;
  /** Whether calls may go to another server instead. */
  hasOthers(): boolean;
  /** Whether another one is there. */
  hasStandIn(): boolean;
}

/** The sessions of one connection, and what they share. */
export interface GrpcPool {
  readonly target: GrpcTarget;
  readonly watch: GrpcPeerWatch;
  /** Oldest first; each leaves when its socket is closed. */
  readonly sessions: Set<Session>;
  /** How many streams a session carries in its life. */
  readonly streamsPerSession: number;
  /** How many bytes of each stream the server may send ahead. */
  readonly streamWindowBytes: number;
  /** How many streams at a time a session is trusted with until the server has told its settings. */
  assumedLimit: number;
  /** The keepalive time, in milliseconds. */
  readonly timeMs: number;
  /** The keepalive timeout, in milliseconds. */
  readonly timeoutMs: number;
  /** The wait for it after which calls go to another server, where there is one. */
  readonly suspicionMs: number;
  /** Whether the server has refused pings; shared by all connections with it. */
  readonly pings: PingState;
}

/** What is known of the pings to one server. */
export interface PingState {
  areRefused: boolean;
}

/** What a stream may be told. */
export interface StreamOptions {
  /** Whether the call does no work twice when it is made twice. */
  readonly isRepeatable: boolean;
  /** Whether it goes on a session of its own, because it may break it. */
  readonly isAlone?: boolean;
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
 * calls while that is more; how much is sent and received at the same time is bounded by others.
 */
const maxSessionMemory = 1e6;

/** What a gRPC server says in its GOAWAY where it counts pings as abuse. */
const tooManyPings = "too_many_pings";

/** One HTTP/2 session: it knows how many streams it carries and may carry, and whether its peer is there. */
export class Session {
  readonly #pool: GrpcPool;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #liveness: Keepalive;
  readonly #movable = new MovableStreams();
  #limit: number;
  readonly #isForOne: boolean;
  #streams = 0;
  #streamsEver = 0;
  /** Streams in a row that were refused. */
  #refusals = 0;
  #hasResponded = false;
  #isRefusedForPings = false;
  /** The health check that has no response yet. */
  #healthCheck: ClientHttp2Stream | undefined;
  #isLost = false;
  /** Why its connection ended, where that is known. */
  #reason: Error | undefined;
  /** Whether its end is told already, or is this side's own doing. */
  #isEndTold = false;
  /** The bytes that it had received when it came into doubt; undefined before. */
  #bytesInDoubt: number | undefined;

  /** Begins to connect, as one of the pool's sessions. One that is for one stream takes no more. */
  constructor(pool: GrpcPool, isForOne = false) {
    this.#pool = pool;
    this.#isForOne = isForOne;
    this.#limit = pool.assumedLimit;
    this.#socket = connectSocket(pool.target);
    // Before the session hears of it, which ends its streams.
    this.#socket
      .once("error", (error) => {
        this.#reason ??= error;
        this.giveBack(error);
      })
      .once("close", () => this.giveBack());
    this.#session = connect(pool.target.endpoint, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, maxHeaderListSize, initialWindowSize: pool.streamWindowBytes },
      maxSessionMemory,
      // Nothing is sent before the server has told its limit, so that it need not refuse anything.
      peerMaxConcurrentStreams: 0,
    });
    this.#handleDestroy();
    this.#session
      .once("connect", () => this.#session.setLocalWindowSize(windowBytes))
      .on("remoteSettings", (settings: Settings) => this.#adopt(settings))
      .on("goaway", (code: number, _lastStreamId: number, debugData?: Uint8Array) =>
        this.#receiveGoaway(code, debugData),
      )
      // Its streams tell it, each to its own call.
      .on("error", () => undefined);
    this.#liveness = new Keepalive(this.#session, this.#socket, pool, {
      isIdle: () => this.#streams === 0,
      whenIdle: () => this.#whenIdle(),
      requestHeaders: () => this.#requestHeaders(),
      isSuspect: (reason) => this.#giveAway(reason),
      isDead: (reason) => {
        this.#reason ??= reason;
        this.giveBack(reason);
        this.destroy(reason);
      },
    });
    pool.sessions.add(this);
    this.#socket.once("close", () => {
      pool.sessions.delete(this);
      this.#tellLoss();
    });
  }

  /** Whether it takes another stream. */
  get hasRoom(): boolean {
    return (
      !this.#isFull &&
      this.#streamsEver < (this.#isForOne ? 1 : this.#pool.streamsPerSession) &&
      !this.#session.closed &&
      !this.#session.destroyed &&
      // The session hears of it a little later.
      !this.#socket.destroyed &&
      !this.isInDoubt
    );
  }

  /** Whether the server takes no stream beside those that are open. */
  get #isFull(): boolean {
    return this.#streams + (this.#healthCheck === undefined ? 0 : 1) >= this.#limit;
  }

  /** Whether its peer keeps calls waiting and has not said a word for a while. */
  get isQuiet(): boolean {
    return this.#streams > 0 && this.#liveness.isQuiet;
  }

  /** Whether its peer has left a ping without an answer, or may share the fate of another session, and says nothing. */
  get isInDoubt(): boolean {
    return this.#socket.bytesRead === this.#bytesInDoubt;
  }

  /** Opens a stream; it ends with a NotSentError where the server turns out to have no room for it. */
  open(headers: OutgoingHttpHeaders, { isRepeatable }: StreamOptions): ClientHttp2Stream {
    const stream = this.#session.request(headers);
    this.#streams += 1;
    this.#streamsEver += 1;
    let hasResponse = false;
    stream.on("response", () => {
      hasResponse = true;
      this.#refusals = 0;
      this.#receiveHeaders();
    });
    stream.on("close", () => {
      if (!hasResponse && isRefused(stream)) this.#countRefusal();
      this.#release(stream);
    });
    this.#movable.add(stream, isRepeatable);
    this.#liveness.watch();
    return stream;
  }

  /** Takes no more streams, and ends with the last one. */
  retire(): void {
    this.#isEndTold = true;
    this.#session.close();
  }

  /** Finds out now whether its peer is there. */
  check(): void {
    if (!this.#isEndTold) this.#liveness.check();
  }

  /** Lets the calls that wait for the settings go to another server, where there is one. */
  giveBack(cause?: Error): void {
    if (this.#pool.watch.hasOthers()) this.#movable.endWaiting(cause);
  }

  /** Ends it, and its streams, at once. */
  destroy(reason?: Error): void {
    this.#session.destroy(reason);
    // The session would first send what it has still to say, to a peer that may not read.
    this.#socket.destroy();
  }

  #release(stream: ClientHttp2Stream): void {
    this.#streams -= 1;
    this.#movable.remove(stream);
    if (this.#isForOne && !this.#session.destroyed) this.retire();
    if (!this.#session.destroyed || this.#isLost) return;
    // Before the call hears of it, which may then be made again.
    this.#isLost = true;
    this.#doubtOthers();
    this.#tellLoss();
  }

  #receiveHeaders(): void {
    this.#hasResponded = true;
    this.#liveness.headersCame();
  }

  /** Has the server send headers, where it takes another stream. */
  #requestHeaders(): void {
    if (this.#session.closed || this.#isFull || this.#healthCheck !== undefined) return;
    const check = sendHealthCheck(this.#session, this.#pool.timeoutMs, () => this.#receiveHeaders());
    check.on("close", () => (this.#healthCheck = undefined));
    this.#healthCheck = check;
  }

  /** Drains the session once the server has refused enough of its streams: Node's server may refuse them for ever. */
  #countRefusal(): void {
    this.#refusals += 1;
    if (this.#refusals >= maxRefusals) this.retire();
  }

  #receiveGoaway(code: number, debugData: Uint8Array | undefined): void {
    this.#doubtOthers();
    this.#isEndTold = true;
    this.#pool.watch.left();
    if (code !== constants.NGHTTP2_ENHANCE_YOUR_CALM) return;
    if (Buffer.from(debugData ?? []).toString("latin1") !== tooManyPings) return;
    this.#isRefusedForPings = true;
    this.#pool.pings.areRefused = true;
    this.#pool.watch.refusedPings();
  }

  /** Decides how the session ends by what the server has sent. Node calls `destroy` then, and offers no other hook. */
  #handleDestroy(): void {
    const session = this.#session;
    const destroy = session.destroy.bind(session);
    session.destroy = (error, code) => {
      // Node ends the streams too that the server still serves (RFC 9113 §6.8): https://github.com/nodejs/node/blob/v24.x/lib/internal/http2/core.js
      if (this.#isRefusedForPings && hasCode(error, "ERR_HTTP2_SESSION_ERROR")) return session.close();
      destroy(hasCode(error, "ERR_HTTP2_ERROR") ? this.#breakBy(error) : error, code);
    };
  }

  /** What its streams end with, now that the server has sent what HTTP/2 does not allow. */
  #breakBy(error: Error): BrokenSessionError {
    // A response did that: the server is there.
    if (this.#hasResponded || this.#isForOne) this.#isLost = this.#isEndTold = true;
    return new BrokenSessionError(error, this.#streams === 1 && this.#healthCheck === undefined);
  }

  #tellLoss(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.#pool.watch.lost(this.#reason);
  }

  /** Lets the calls that can be made again, and those that wait to be sent, go to another server that is there. */
  #giveAway(reason: Error): void {
    if (!this.#pool.watch.hasStandIn()) return;
    this.#doubt();
    this.#movable.endRepeatable(reason);
    for (const session of this.#pool.sessions) session.giveBack(reason);
  }

  /** What has happened to its peer may have happened to the others, and is only not found yet. */
  #doubtOthers(): void {
    if (this.#socket.bytesRead === 0) return;
    for (const other of this.#pool.sessions) if (other !== this) other.#doubt();
  }

  /** Has it take no more streams until it has received something. */
  #doubt(): void {
    // One that has received nothing yet is as good as a new one.
    if (this.#socket.bytesRead === 0) return;
    this.#bytesInDoubt = this.#socket.bytesRead;
    this.#liveness.watch();
  }

  #adopt({ maxConcurrentStreams = Infinity }: Settings): void {
    this.#limit = maxConcurrentStreams;
    if (maxConcurrentStreams > 0) this.#pool.assumedLimit = maxConcurrentStreams;
    const isNew = this.#movable.sendWaiting(maxConcurrentStreams);
    // A server that takes nothing here may take it on another session.
    if (maxConcurrentStreams === 0) this.#session.close();
    else if (isNew) this.#pool.watch.reached();
  }

  /** Closes it where it is of no use: it takes no more, or another session does too. */
  #whenIdle(): void {
    const isSpare = [...this.#pool.sessions].some((other) => other !== this && other.hasRoom);
    if (isSpare || !this.hasRoom) this.retire();
  }
}
