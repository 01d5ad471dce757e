import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { Session } from "./session.ts";
import type { GrpcPeerWatch, GrpcPool, PingState, StreamOptions } from "./session.ts";
import type { GrpcTarget } from "./address.ts";
import { defaultKeepalive } from "./keepalive.ts";
import type { KeepaliveTimes } from "./keepalive.ts";

/** Where calls open their HTTP/2 streams. How many sessions there are, and to whom, is its own affair. */
export interface GrpcConnection {
  /** How often a call may be made in all that is lost each time. */
  readonly tries: number;
  /**
   * Opens a stream, at once: it waits by itself for the session to connect. What goes wrong with the session
   * is told by the stream's `error` and `close`; only headers that cannot be sent, and a connection that was
   * closed, throw. A NotSentError tells that the server has seen nothing of the stream, a BrokenSessionError that one
   * of the session's streams has broken it. A repeatable one ends as soon as another server may answer sooner.
   */
  open(headers: OutgoingHttpHeaders, options: StreamOptions): ClientHttp2Stream;
}

/** The connection with one server. */
export interface GrpcPeerConnection extends GrpcConnection {
  /** Whether a session keeps calls waiting and has brought nothing for a while. */
  readonly isQuiet: boolean;
  /** Whether a session makes it doubtful that the server is there. */
  readonly isInDoubt: boolean;
  /** How many sessions there are. */
  readonly sessions: number;
  /** Begins a session, to find out whether the server is there. */
  connect(): void;
  /** Finds out now whether it still is, where there are sessions. */
  check(): void;
  /** Lets the calls that wait for a connection go to another server, where there is one. */
  giveBack(): void;
  /** Ends each session with its last stream; new streams go on new ones. */
  retire(): void;
  /** Ends every session and every stream at once. */
  close(): void;
}

/** What a connection may be told. */
interface GrpcConnectionOptions {
  readonly keepalive?: KeepaliveTimes;
  /** How many bytes of each stream the server may send ahead (RFC 9113 §6.9.2). */
  readonly streamWindowBytes?: number;
  /** What is known of the server's pings, where other connections share it. */
  readonly pings?: PingState;
  /** Hears how it goes. */
  readonly watch?: GrpcPeerWatch;
  /** A session has 2^30 stream ids (RFC 9113 §5.1.1); Node would refuse every stream after the last one. */
  readonly streamsPerSession?: number;
}

/** For a server that nobody else can stand in for. */
const unwatched: GrpcPeerWatch = {
  reached: () => undefined,
  lost: () => undefined,
  left: () => undefined,
  refusedPings: () => undefined,
  hasOthers: () => false,
  hasStandIn: () => false,
};

/** How much sooner a server is asked whether it is there, where another can be called instead. */
const hurry = 4;

/** How many streams at a time RFC 9113 §6.5.2 wants servers to allow at least. */
const usualLimit = 100;

/**
 * As many sessions with the server at `target` as its limit of streams at a time demands: a stream goes on
 * the oldest session that has room, and on a new one where none has. A session takes no more once it is lost,
 * has had its GOAWAY or runs out of stream ids, and none for a while once another is lost: until it has received
 * something. One that carries nothing is closed when another has room, and one that refuses streams is replaced.
 */
export function createGrpcConnection(
  target: GrpcTarget,
  {
    keepalive: { timeMs, timeoutMs } = defaultKeepalive.calls,
    streamsPerSession = 2 ** 29,
    streamWindowBytes = 64 * 1024,
    watch = unwatched,
    pings = { areRefused: false },
  }: GrpcConnectionOptions = {},
): GrpcPeerConnection {
  const pool: GrpcPool = {
    target,
    watch,
    sessions: new Set(),
    streamsPerSession,
    streamWindowBytes,
    assumedLimit: usualLimit,
    get timeMs() {
      return timeMs / (watch.hasOthers() ? hurry : 1);
    },
    timeoutMs,
    suspicionMs: timeoutMs / (2 * hurry),
    pings,
  };
  let isClosed = false;

  return {
    tries: 2,
    get isQuiet() {
      for (const session of pool.sessions) if (session.isQuiet) return true;
      return false;
    },
    get isInDoubt() {
      for (const session of pool.sessions) if (session.isInDoubt) return true;
      return false;
    },
    get sessions() {
      return pool.sessions.size;
    },
    open(headers, options) {
      if (isClosed) throw new ConnectError("the connection is closed", Code.Unavailable);
      if (options.isAlone === true) return new Session(pool, true).open(headers, options);
      for (const session of pool.sessions) if (session.hasRoom) return session.open(headers, options);
      return new Session(pool).open(headers, options);
    },
    connect() {
      if (!isClosed) new Session(pool);
    },
    check() {
      for (const session of pool.sessions) session.check();
    },
    giveBack() {
      for (const session of pool.sessions) session.giveBack();
    },
    retire() {
      for (const session of pool.sessions) session.retire();
    },
    close() {
      isClosed = true;
      for (const session of pool.sessions) session.destroy();
    },
  };
}
