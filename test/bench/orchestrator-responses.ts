import { create, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  AuthenticateApiKeyResponseSchema,
  ConsumeQuotaResponseSchema,
  ListWorkflowsResponseSchema,
  OrchestratorService,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { page, workflow } from "./messages.ts";

const responses = new Map<string, Uint8Array>();

function prepare<Desc extends DescMessage>(rpc: string, schema: Desc, message: MessageShape<Desc>) {
  responses.set(`/${OrchestratorService.typeName}/${rpc}`, toBinary(schema, message));
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

/** What the orchestrator of the benchmark responds with, encoded, by the path of the method. */
export const orchestratorResponses: ReadonlyMap<string, Uint8Array> = responses;
