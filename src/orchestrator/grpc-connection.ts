import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";

/** Where calls open their HTTP/2 streams. How many sessions there are, and to whom, is its own affair. */
export interface GrpcConnection {
  /**
   * Opens a stream, at once: it waits by itself for the session to connect. What goes wrong with the session
   * is told by the stream's `error` and `close`; only headers that cannot be sent throw.
   */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream;
  /** Ends every session and every stream at once. */
  close(): void;
}

/**
 * One session with the origin of `endpoint`: made by the first stream, and again by the first one after the
 * session was lost, or was asked by the server to take no more (GOAWAY).
 */
export function createGrpcConnection(endpoint: string): GrpcConnection {
  const sessions = new Set<ClientHttp2Session>();
  let current: ClientHttp2Session | undefined;

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
      if (current === undefined || current.closed || current.destroyed) current = connectSession();
      return current.request(headers);
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}
