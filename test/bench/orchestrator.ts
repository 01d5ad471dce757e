/**
 * The orchestrator of the benchmark: responds to every call with bytes that are encoded in advance, to use as little CPU
 * as it can. Writes its `url` to stdout.
 */
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { listen } from "./listen.ts";
import { orchestratorResponses } from "./orchestrator-responses.ts";

const responses = new Map([...orchestratorResponses].map(([path, bytes]) => [path, encodeEnvelope(bytes)]));

const headers = { ":status": 200, "content-type": "application/grpc+proto" };

const server = createServer();
server.on("stream", function serve(stream: ServerHttp2Stream, { ":path": path = "" }) {
  const bytes = responses.get(path);
  stream.on("error", () => undefined).resume();
  stream.on("end", () => {
    stream.respond(headers, { waitForTrailers: true });
    stream.on("wantTrailers", () => {
      stream.sendTrailers(bytes === undefined ? { "grpc-status": "12" } : { "grpc-status": "0" });
    });
    stream.end(bytes);
  });
});
listen(server);
