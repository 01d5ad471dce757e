import { once } from "node:events";
import { createServer } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { AuthenticateApiKeyResponseSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";

/**
 * An upstream that answers every call with the same gRPC status, whether gRPC knows it or not; but every key it knows
 * as alice's.
 */
export interface StatusServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts it; the answer is HTTP/2 as gRPC frames it, made by no gRPC library. */
export async function startStatusServer(grpcStatus: number, message: string): Promise<StatusServer> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, { ":path": path = "" }) => {
    stream.resume();
    if (path.endsWith("/AuthenticateApiKey")) return respondAllowed(stream);
    stream.respond(
      {
        ":status": 200,
        "content-type": "application/grpc",
        "grpc-status": String(grpcStatus),
        "grpc-message": encodeURIComponent(message),
      },
      { endStream: true },
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function respondAllowed(stream: ServerHttp2Stream): void {
  const answer = create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: "alice" });
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(encodeEnvelope(toBinary(AuthenticateApiKeyResponseSchema, answer)));
}
