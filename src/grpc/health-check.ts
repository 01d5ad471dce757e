import { constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { frameOf } from "./envelope.ts";
import { requestHeaders } from "./request-headers.ts";

/**
 * Sends a request of the gRPC health check (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), for
 * the sake of the response headers alone: servers count no ping that came before they sent some. UNIMPLEMENTED is as
 * good as any other response. Cancelled after `timeoutMs`.
 */
export function sendHealthCheck(
  session: ClientHttp2Session,
  timeoutMs: number,
  onResponse: () => void,
): ClientHttp2Stream {
  const stream = session.request(requestHeaders("/grpc.health.v1.Health/Check", timeoutMs, undefined));
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), timeoutMs).unref();
  stream
    .on("response", onResponse)
    // The other streams of the session tell their calls.
    .on("error", () => undefined)
    .on("close", () => clearTimeout(timer))
    .resume()
    .end(frameOf(new Uint8Array()));
  return stream;
}
