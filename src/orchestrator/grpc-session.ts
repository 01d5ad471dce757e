import { connect, constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders, Settings } from "node:http2";
import type { Socket } from "node:net";
import { GrpcLiveness } from "./grpc-liveness.ts";
import { MovableStreams } from "./grpc-movable-streams.ts";
import { connectSocket } from "./grpc-socket.ts";
import type { GrpcTarget } from "./grpc-target.ts";

/** Who hears what the sessions with a server find out about it. */
export interface GrpcPeerWatch {
  /** The server has told its settings on a new session. */
  reached(): void;
  /** A session was not established, or was lost. */
  lost(reason?: Error): void;
  /** The server ends a session in good order. */
  left(): void;
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
  readonly sessions: Set<GrpcSession>;
  /** How many streams a session carries in its life. */
  readonly streamsPerSession: number;
  /** How many streams at a time a session is trusted with until the server has told its settings. */
  assumedLimit: number;
  /** The silence after which a session is pinged, in milliseconds. */
  readonly silenceMs: number;
  /** Longest wait for the answer to a ping, in milliseconds. */
  readonly pingTimeoutMs: number;
  /** The wait for it after which calls go to another server, where there is one. */
  readonly suspicionMs: number;
  /** How many times as long that silence is, since the server has complained. */
  patience: number;
}

/** One HTTP/2 session: it knows how many streams it carries and may carry, and whether its peer is there. */
export class GrpcSession {
  readonly #pool: GrpcPool;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #liveness: GrpcLiveness;
  readonly #movable = new MovableStreams();
  #limit: number;
  #streams = 0;
  #streamsEver = 0;
  #isLost = false;
  /** Why its connection ended, where that is known. */
  #reason: Error | undefined;
  /** Whether its end is told already, or is this side's own doing. */
  #isEndTold = false;
  /** The bytes that it had received when it came into doubt; undefined before. */
  #bytesInDoubt: number | undefined;

  /** Begins to connect, as one of the pool's sessions. */
  constructor(pool: GrpcPool) {
    this.#pool = pool;
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
      settings: { enablePush: false },
      // Nothing is sent before the server has told its limit, so that it need not refuse anything.
      peerMaxConcurrentStreams: 0,
    });
    const { patience } = pool;
    this.#session
      .on("remoteSettings", (settings: Settings) => this.#adopt(settings))
      .on("goaway", (code) => {
        this.#doubtOthers();
        this.#isEndTold = true;
        pool.watch.left();
        // Too many pings: https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md
        if (code !== constants.NGHTTP2_ENHANCE_YOUR_CALM) return;
        pool.patience = Math.max(pool.patience, 2 * patience);
      })
      // Its streams tell it, each to its own call.
      .on("error", () => undefined);
    this.#liveness = new GrpcLiveness(this.#session, this.#socket, pool, {
      isIdle: () => this.#streams === 0,
      whenIdle: () => this.#whenIdle(),
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
      this.#streams < this.#limit &&
      this.#streamsEver < this.#pool.streamsPerSession &&
      !this.#session.closed &&
      !this.#session.destroyed &&
      // The session hears of it a little later.
      !this.#socket.destroyed &&
      !this.isInDoubt
    );
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
  open(headers: OutgoingHttpHeaders, isRepeatable: boolean): ClientHttp2Stream {
    const stream = this.#session.request(headers);
    this.#streams += 1;
    this.#streamsEver += 1;
    stream.on("close", () => this.#release(stream));
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
    if (!this.#session.destroyed || this.#isLost) return;
    // Before the call hears of it, which may then be made again.
    this.#isLost = true;
    this.#doubtOthers();
    this.#tellLoss();
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
