/**
 * The orchestrator of the benchmark: responds to every call with bytes that are encoded in advance, to use as little CPU
 * as it can. Writes its `url` to stdout.
 */
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import {
  AuthenticateApiKeyResponseSchema,
  ConsumeQuotaResponseSchema,
  ListWorkflowsResponseSchema,
  OrchestratorService,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { page, workflow } from "./messages.ts";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { listen } from "./listen.ts";

const responses = new Map<string, Uint8Array>();

function prepare<Desc extends DescMessage>(rpc: string, schema: Desc, message: MessageShape<Desc>) {
  responses.set(`/${OrchestratorService.typeName}/${rpc}`, encodeEnvelope(toBinary(schema, message)));
}

prepare("GetWorkflow", WorkflowSchema, workflow);
prepare("SubmitWorkflow", WorkflowSchema, workflow);
prepare("ListWorkflows", ListWorkflowsResponseSchema, page);
prepare(
  "AuthenticateApiKey",
  AuthenticateApiKeyResponseSchema,
  create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: "alice" }),
);
prepare(
  "ConsumeQuota",
  ConsumeQuotaResponseSchema,
  create(ConsumeQuotaResponseSchema, { allowed: true, limit: 1_000_000_000n, used: 1n }),
);

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
