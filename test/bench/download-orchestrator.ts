/**
 * An orchestrator with one workflow, whose outputs are the stored objects. Implements GetWorkflow only;
 * writes its `url` to stdout.
 */
import { createServer } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { bucket, keyOf, lengths, mebibyte, sha256Of } from "./download-objects.ts";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { workflow } from "./messages.ts";
import { listen } from "./listen.ts";

const outputs = [...new Set(Object.values(lengths))].flatMap((length) =>
  (["checked", "plain"] as const).map((kind) => ({
    uri: `r2://${bucket}/${keyOf(kind, length)}`,
    contentType: "chemical/x-pdb",
    sizeBytes: BigInt(length * mebibyte),
    sha256: kind === "checked" ? sha256Of(length) : "",
  })),
);
const finished = create(WorkflowSchema, {
  id: workflow.id,
  state: JobState.SUCCEEDED,
  stepStatuses: [{ stepId: "design", state: JobState.SUCCEEDED, fraction: 1, outputs }],
});
const response = encodeEnvelope(toBinary(WorkflowSchema, finished));

const server = createServer();
server.on("stream", (stream) => {
  stream.on("error", () => undefined).resume();
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(response);
  });
});
listen(server);
