import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  AuthenticateApiKeyResponseSchema,
  ConsumeQuotaResponseSchema,
  GetBalanceResponseSchema,
  ListLedgerResponseSchema,
  ListWorkflowsResponseSchema,
  RankDesignsResponseSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type {
  OrchestratorService,
  Workflow,
  WorkflowSpecSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { sha256 } from "../support/samples.ts";

const at = timestampFromDate(new Date("2026-01-05T09:00:00Z"));

const oneStep = { name: "one", steps: [{ id: "a", tool: "af2" }] };

const lastEventId = 2n ** 64n - 1n;

/** What every workflow of the orchestrator has stored, and whose key it knows. */
interface Holdings {
  readonly artifactKeys: readonly string[];
  readonly bytes: Buffer;
  readonly apiKey: string;
}

/** An orchestrator that answers everything, at once and soundly: any id names a workflow that has succeeded. */
export function soundUpstream({
  artifactKeys,
  bytes,
  apiKey,
}: Holdings): Partial<ServiceImpl<typeof OrchestratorService>> {
  const outputs = artifactKeys.map((key) => ({
    uri: `r2://foldforge/${key}`,
    contentType: "chemical/x-pdb",
    sizeBytes: BigInt(bytes.length),
    sha256: sha256(bytes),
    metrics: { plddt: 91.5 },
  }));

  function workflow(id: string, spec: MessageInitShape<typeof WorkflowSpecSchema> = oneStep): Workflow {
    const state = JobState.SUCCEEDED;
    const stepStatuses = (spec.steps ?? []).map((step, index) => ({
      stepId: step.id ?? "",
      state,
      fraction: 1,
      outputs: index === 0 ? outputs : [],
    }));
    return create(WorkflowSchema, { id, spec, state, stepStatuses, createdAt: at, updatedAt: at });
  }

  const known = ({ workflowId }: { workflowId: string }) => workflow(workflowId);
  return {
    submitWorkflow: ({ spec }) => workflow("w1", spec),
    getWorkflow: known,
    cancelWorkflow: known,
    retryWorkflow: known,
    listWorkflows: () =>
      create(ListWorkflowsResponseSchema, {
        workflows: [workflow("w1"), workflow("w2")],
        nextPageToken: "2",
      }),
    rankDesigns: ({ metric }) =>
      create(RankDesignsResponseSchema, {
        designs: [
          {
            rank: 1,
            score: 91.5,
            id: outputs[0]?.uri ?? "",
            kind: "artifact",
            sourceStep: "a",
            metrics: { [metric]: 91.5 },
          },
          {
            rank: 2,
            score: NaN,
            id: "a/0",
            kind: "sequence",
            sourceStep: "a",
            metrics: { [metric]: Infinity },
          },
        ],
        totalConsidered: 3,
        totalRanked: 2,
      }),
    getBalance: () => create(GetBalanceResponseSchema, { balance: 2n ** 53n + 1n }),
    listLedger: ({ limit }) => {
      const entry = { delta: -25n, reason: "a step", balanceAfter: -(2n ** 53n) - 1n, createdAt: at };
      return create(ListLedgerResponseSchema, { entries: Array.from({ length: limit }, () => entry) });
    },
    async *streamWorkflowEvents({ workflowId, fromEventId }) {
      await Promise.resolve();
      // Nothing more ever comes after the last id there can be.
      if (fromEventId === lastEventId) return;
      const event = { case: "workflowUpdate", value: workflow(workflowId) } as const;
      yield create(WorkflowEventSchema, { workflowId, event, at, eventId: fromEventId + 1n });
    },
    authenticateApiKey: ({ keyHash }) =>
      keyHash === sha256(apiKey)
        ? create(AuthenticateApiKeyResponseSchema, { allowed: true, principal: "alice" })
        : create(AuthenticateApiKeyResponseSchema, { allowed: false, denyReason: "unknown" }),
    consumeQuota: () =>
      create(ConsumeQuotaResponseSchema, { allowed: true, limit: 1000n, used: 1n, principal: "alice" }),
  };
}
