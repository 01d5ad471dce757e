/**
 * An orchestrator that is slow: it takes 20 ms for each call, for 20 calls at a time; the others wait. Writes its
 * `url` to stdout.
 */
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { toBinary } from "@bufbuild/protobuf";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { listen } from "./listen.ts";
import { workflow } from "./messages.ts";

const workMs = 20;
const concurrency = 20;

const bytes = encodeEnvelope(toBinary(WorkflowSchema, workflow));
const waiting: ServerHttp2Stream[] = [];
let working = 0;

function workOn(stream: ServerHttp2Stream): void {
  working += 1;
  setTimeout(() => {
    if (!stream.destroyed) respond(stream);
    working -= 1;
    const next = waiting.shift();
    if (next !== undefined) workOn(next);
  }, workMs);
}

function respond(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(bytes);
}

const server = createServer();
server.on("stream", (stream: ServerHttp2Stream) => {
  stream.on("error", () => undefined).resume();
  if (working < concurrency) workOn(stream);
  else waiting.push(stream);
});
listen(server);
