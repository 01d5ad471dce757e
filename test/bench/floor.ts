/**
 * The floor: the least that responds to the same requests with the same JSON, node:http over a node:http2 client,
 * without a contract, authentication, deadline, log or metric. Takes the orchestrator's url, writes its own.
 */
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { connect } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import {
  ConsumeQuotaRequestSchema,
  ConsumeQuotaResponseSchema,
  GetWorkflowRequestSchema,
  ListWorkflowsRequestSchema,
  ListWorkflowsResponseSchema,
  OrchestratorService,
  SubmitWorkflowRequestSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { encodeEnvelope } from "../../src/grpc/envelope.ts";
import { submissionToMessage, workflowListToObject, workflowToObject } from "../support/reference-mapping.ts";
import { listen } from "./listen.ts";

const [orchestrator = ""] = process.argv.slice(2);
const session = connect(orchestrator);

function call<Input extends DescMessage, Output extends DescMessage>(
  rpc: string,
  input: Input,
  output: Output,
  request: MessageInitShape<Input>,
): Promise<MessageShape<Output>> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/${OrchestratorService.typeName}/${rpc}`,
      "content-type": "application/grpc+proto",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let status: unknown;
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("trailers", (trailers) => (status = trailers["grpc-status"]));
    stream.on("end", () => {
      if (status !== "0") return reject(new Error(`${rpc} failed`));
      resolve(fromBinary(output, Buffer.concat(chunks).subarray(5)));
    });
    stream.on("error", reject);
    stream.end(encodeEnvelope(toBinary(input, create(input, request))));
  });
}

function sendJson(res: ServerResponse, status: number, body: unknown) {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  });
  res.end(text);
}

const server = createServer(function serve(req, res) {
  const { method, url = "" } = req;
  if (method === "POST") {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const submission = submissionToMessage(JSON.parse(Buffer.concat(chunks).toString()), "");
      void call("ConsumeQuota", ConsumeQuotaRequestSchema, ConsumeQuotaResponseSchema, { keyHash: "0" })
        .then(() => call("SubmitWorkflow", SubmitWorkflowRequestSchema, WorkflowSchema, submission))
        .then((workflow) => sendJson(res, 201, workflowToObject(workflow)));
    });
  } else if (url.startsWith("/v1/workflows?")) {
    const pageSize = Number(new URLSearchParams(url.slice(url.indexOf("?") + 1)).get("page_size"));
    void call("ListWorkflows", ListWorkflowsRequestSchema, ListWorkflowsResponseSchema, { pageSize }).then(
      (page) => sendJson(res, 200, workflowListToObject(page)),
    );
  } else {
    const workflowId = url.slice(url.lastIndexOf("/") + 1);
    void call("GetWorkflow", GetWorkflowRequestSchema, WorkflowSchema, { workflowId }).then((workflow) =>
      sendJson(res, 200, workflowToObject(workflow)),
    );
  }
});
listen(server);
