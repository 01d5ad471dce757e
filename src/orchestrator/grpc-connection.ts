import { connect } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";

/** Where calls open their HTTP/2 streams. How many sessions there are, and to whom, is its own affair. */
export interface GrpcConnection {
  /**
   * Opens a stream, at once: it waits by itself for the session to connect. What goes wrong with the session
   * is told by the stream's `error` and `close`; only headers that cannot be sent, and a connection that was closed, throw.
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

/** A session has 2^30 stream ids (RFC 9113 §5.1.1); Node would refuse every stream after the last one. */
const streamsPerSession = 2 ** 29;

/**
 * One session with the origin of `endpoint`: made by the first stream, and again by the first one after the
 * session was lost, was asked by the server to take no more (GOAWAY), or has carried `maxStreams`.
 */
export function createGrpcConnection(endpoint: string, maxStreams = streamsPerSession): GrpcConnection {
  const sessions = new Set<ClientHttp2Session>();
  let current: ClientHttp2Session | undefined;
  let streams = 0;
  let isClosed = false;

  function connectSession(): ClientHttp2Session {
    const session = connect(endpoint, { settings: { enablePush: false } });
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    // Its streams tell it, each to its own call.
    session.on("error", () => undefined);
    return session;
  }

  return {
    open(headers) {
      if (isClosed) throw new ConnectError("the connection is closed", Code.Unavailable);
      // Closing lets the streams that are open finish.
      if (streams >= maxStreams) current?.close();
      if (current === undefined || current.closed || current.destroyed) {
        current = connectSession();
        streams = 0;
      }
      streams += 1;
      return current.request(headers);
    },
    close() {
      isClosed = true;
      for (const session of sessions) session.destroy();
    },
  };
}
