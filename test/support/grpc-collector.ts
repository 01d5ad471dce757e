import { once } from "node:events";
import { createServer } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { createReceivedSpans } from "./received-spans.ts";
import type { ReceivedSpans } from "./received-spans.ts";

/** A call of `opentelemetry.proto.collector.trace.v1.TraceService/Export`. */
interface ExportCall {
  readonly headers: IncomingHttpHeaders;
  readonly isCompressed: boolean;
}

/** A collector of traces, by OTLP over gRPC. */
export interface GrpcCollector extends ReceivedSpans {
  readonly url: string;
  readonly calls: readonly ExportCall[];
  /** Responds to a call that was read, before its spans are added; tests may replace it at any time. */
  respond: (stream: ServerHttp2Stream) => void;
  close(): Promise<void>;
}

/** The status of an empty response; OK by default. Details are the base64 of a google.rpc.Status. */
export function respondWith(
  stream: ServerHttp2Stream,
  { status = 0, message = "", details }: { status?: number; message?: string; details?: string } = {},
): void {
  const trailers = {
    "grpc-status": String(status),
    "grpc-message": message,
    ...(details === undefined ? {} : { "grpc-status-details-bin": details }),
  };
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  // An ExportTraceServiceResponse without fields.
  stream.end(status === 0 ? Buffer.alloc(5) : undefined);
}

/** Starts it on `port`, a free one by default. */
export async function startGrpcCollector(port = 0, host = "127.0.0.1"): Promise<GrpcCollector> {
  const { received, add } = createReceivedSpans();
  const calls: ExportCall[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => undefined).once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    if (headers[":path"] !== "/opentelemetry.proto.collector.trace.v1.TraceService/Export")
      return respondWith(stream, { status: 12 });
    buffer(stream).then(
      (request) => {
        const isCompressed = request[0] === 1;
        const message = request.subarray(5);
        if (request.readUInt32BE(1) !== message.length) throw new Error("not one message");
        calls.push({ headers, isCompressed });
        collector.respond(stream);
        add(isCompressed ? gunzipSync(message) : message);
      },
      () => undefined,
    );
  });
  server.listen(port, host);
  await once(server, "listening");

  const collector: GrpcCollector = {
    ...received,
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    calls,
    respond: respondWith,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
  return collector;
}
