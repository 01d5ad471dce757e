import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { GrpcSession } from "./grpc-session.ts";
import type { GrpcPool } from "./grpc-session.ts";

/** Where calls open their HTTP/2 streams. How many sessions there are, and to whom, is its own affair. */
export interface GrpcConnection {
  /**
   * Opens a stream, at once: it waits by itself for the session to connect. What goes wrong with the session
   * is told by the stream's `error` and `close`; only headers that cannot be sent, and a connection that was
   * closed, throw. A NotSentError tells that the server has seen nothing of the stream.
   */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream;
  /** Ends every session and every stream at once. */
  close(): void;
}

/** How a peer that is connected and says nothing is found out, in milliseconds. */
export interface KeepaliveOptions {
  /** The silence after which a connection with calls under way is pinged, and the longest wait for the answer. */
  readonly pingTimeoutMs: number;
  /** The same silence where calls are silent by their nature: on connections of event streams. */
  readonly keepaliveMs: number;
}

/** What suits most orchestrators. */
export const defaultKeepalive: KeepaliveOptions = { pingTimeoutMs: 2000, keepaliveMs: 30_000 };

/** What a connection may be told. */
interface GrpcConnectionOptions {
  /** The silence after which a session that carries streams is pinged, in milliseconds. */
  readonly silenceMs?: number;
  /** Longest wait for the answer to a ping, in milliseconds. */
  readonly pingTimeoutMs?: number;
  /** A session has 2^30 stream ids (RFC 9113 §5.1.1); Node would refuse every stream after the last one. */
  readonly streamsPerSession?: number;
}

/** How many streams at a time RFC 9113 §6.5.2 wants servers to allow at least. */
const usualLimit = 100;

/**
 * As many sessions with the origin of `endpoint` as its limit of streams at a time demands: a stream goes on
 * the oldest session that has room, and on a new one where none has. A session takes no more once it is lost,
 * has had its GOAWAY or runs out of stream ids, and none for a while once another is lost: until it has received
 * something. One that carries nothing is closed when another has room.
 */
export function createGrpcConnection(
  endpoint: string,
  {
    pingTimeoutMs = defaultKeepalive.pingTimeoutMs,
    silenceMs = pingTimeoutMs,
    streamsPerSession = 2 ** 29,
  }: GrpcConnectionOptions = {},
): GrpcConnection {
  const pool: GrpcPool = {
    endpoint: new URL(endpoint),
    sessions: new Set(),
    streamsPerSession,
    assumedLimit: usualLimit,
    silenceMs,
    pingTimeoutMs,
  };
  let isClosed = false;

  return {
    open(headers) {
      if (isClosed) throw new ConnectError("the connection is closed", Code.Unavailable);
      for (const session of pool.sessions) if (session.hasRoom) return session.open(headers);
      return new GrpcSession(pool).open(headers);
    },
    close() {
      isClosed = true;
      for (const session of pool.sessions) session.destroy();
    },
  };
}
