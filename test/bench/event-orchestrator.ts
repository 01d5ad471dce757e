/**
 * The orchestrator of the streams' benchmark: holds every event stream open after its snapshot, and allows every
 * key. Writes its `url` to stdout; a POST of `/send/step` or `/send/workflow` there sends one such event on all
 * open streams and responds with their number.
 */
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  AuthenticateApiKeyResponseSchema,
  OrchestratorService,
  WorkflowEventSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { workflow } from "./messages.ts";
import { listen } from "./listen.ts";

type Event = NonNullable<MessageInitShape<typeof WorkflowEventSchema>["event"]>;

const events: Readonly<Record<string, Event>> = {
  step: { case: "stepUpdate", value: { stepId: "design", state: JobState.RUNNING, fraction: 0.3 } },
  workflow: { case: "workflowUpdate", value: workflow },
};

const at = timestampFromDate(new Date("2026-01-05T09:00:01Z"));

function eventBytes(event: Event, eventId: bigint): Uint8Array {
  const message = create(WorkflowEventSchema, { workflowId: workflow.id, eventId, event, at });
  return encodeEnvelope(toBinary(WorkflowEventSchema, message));
}

const snapshot = eventBytes({ case: "workflowUpdate", value: workflow }, 0n);
const authentication = create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: "alice" });
const allowedBytes = encodeEnvelope(toBinary(AuthenticateApiKeyResponseSchema, authentication));

const open = new Set<ServerHttp2Stream>();
let lastId = 0n;

function send(event: Event): void {
  lastId += 1n;
  const bytes = eventBytes(event, lastId);
  for (const stream of open) stream.write(bytes);
}

const headers = { ":status": 200, "content-type": "application/grpc+proto" };

function respondTo(stream: ServerHttp2Stream, bytes: Uint8Array): void {
  stream.respond(headers, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(bytes);
}

function openStream(stream: ServerHttp2Stream): void {
  open.add(stream);
  stream.once("close", () => open.delete(stream));
  stream.respond(headers);
  stream.write(snapshot);
}

// The default memory of a session, in MiB, holds fewer streams than are opened here.
const server = createServer({ maxSessionMemory: 1000 });
server.on("stream", function serve(stream: ServerHttp2Stream, { ":path": path = "" }) {
  stream.on("error", () => undefined).resume();
  const [, service = "", method = ""] = path.split("/");
  const event = service === "send" ? events[method] : undefined;
  if (event !== undefined) {
    send(event);
    stream.respond({ ":status": 200 });
    stream.end(String(open.size));
  } else if (service === OrchestratorService.typeName && method === "StreamWorkflowEvents") {
    openStream(stream);
  } else {
    respondTo(stream, allowedBytes);
  }
});
listen(server);
