import { once } from "node:events";
import { createServer } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** An HTTP/2 server that implements nothing of gRPC. */
export interface Http2Server {
  readonly url: string;
  /** Called with each complete request, whose message is `request`. Tests replace it. */
  serve: (stream: ServerHttp2Stream, request: Uint8Array) => void;
  close(): Promise<void>;
}

/** Starts an HTTP/2 server on a free port. */
export async function startHttp2Server(): Promise<Http2Server> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer({ streamResetBurst: 1e6, streamResetRate: 1e6 });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => undefined).once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    buffer(stream).then(
      (request) => running.serve(stream, request.subarray(5)),
      () => undefined,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const running: Http2Server = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serve: (stream) => stream.close(),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
  return running;
}

/** Begins a response, and sends these bytes of its body. */
export function respond(
  stream: ServerHttp2Stream,
  bytes: Uint8Array,
  header: Record<string, string> = {},
): void {
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", ...header },
    { waitForTrailers: true },
  );
  stream.write(bytes);
}

/** Ends a response with trailers. */
export function finish(stream: ServerHttp2Stream, status = "0"): void {
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
  stream.end();
}
