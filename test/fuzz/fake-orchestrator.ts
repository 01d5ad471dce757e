import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  AuthenticateApiKeyRequestSchema,
  AuthenticateApiKeyResponseSchema,
  ConsumeQuotaResponseSchema,
  GetBalanceResponseSchema,
  GrantCreditsRequestSchema,
  GrantCreditsResponseSchema,
  GetWorkflowRequestSchema,
  ListLedgerRequestSchema,
  ListLedgerResponseSchema,
  ListWorkflowsRequestSchema,
  RankDesignsRequestSchema,
  RankDesignsResponseSchema,
  StreamWorkflowEventsRequestSchema,
  SubmitWorkflowRequestSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { WorkflowSpecSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { EncodedRpc } from "../support/encoded-upstream.ts";
import { sha256 } from "../support/samples.ts";
import {
  encodedPage,
  encodedSpec,
  encodedUpdate,
  encodedWorkflow,
  specIn,
} from "../support/worst-workflows.ts";

const at = timestampFromDate(new Date("2026-01-05T09:00:00Z"));

const oneStep = { name: "one", steps: [{ id: "a", tool: "af2" }] };

const lastEventId = 2n ** 64n - 1n;

/** A larger submission is returned undecoded, without the statuses of its steps, in bytes. */
const maxDecoded = 64 * 1024;

/** The artifacts of every workflow, and the API key that is valid. */
interface FakeData {
  readonly artifactKeys: readonly string[];
  readonly bytes: Buffer;
  readonly apiKey: string;
  readonly principal: string;
  /** The JSON of large submissions by name. A name is also the id of the workflow and the token of a page full of it. */
  readonly largeBodies: Readonly<Record<string, string>>;
}

/** A unary call. */
function unary<Desc extends DescMessage>(
  schema: Desc,
  respond: (request: MessageShape<Desc>) => Uint8Array,
): EncodedRpc {
  return (request) => [respond(fromBinary(schema, request))];
}

/** An orchestrator that responds to every call at once. Any id is that of a workflow that has succeeded. */
export function fakeOrchestrator({
  artifactKeys,
  bytes,
  apiKey,
  principal,
  largeBodies,
}: FakeData): Readonly<Record<string, EncodedRpc>> {
  const outputs = artifactKeys.map((key) => ({
    uri: `r2://foldforge/${key}`,
    contentType: "chemical/x-pdb",
    sizeBytes: BigInt(bytes.length),
    sha256: sha256(bytes),
    metrics: { plddt: 91.5 },
  }));
  const state = JobState.SUCCEEDED;
  const common = { state, createdAt: at, updatedAt: at };

  function workflow(id: string, spec: MessageInitShape<typeof WorkflowSpecSchema> = oneStep): Uint8Array {
    const stepStatuses = (spec.steps ?? []).map((step, index) => ({
      stepId: step.id ?? "",
      state,
      fraction: 1,
      outputs: index === 0 ? outputs : [],
    }));
    return toBinary(WorkflowSchema, create(WorkflowSchema, { ...common, id, spec, stepStatuses }));
  }

  const largeWorkflows = new Map<string, Uint8Array>();

  /** The large workflow with this id, if any. It is encoded when it is first needed: all of them take a second. */
  function largeWorkflow(id: string): Uint8Array | undefined {
    const body = Object.hasOwn(largeBodies, id) ? largeBodies[id] : undefined;
    if (body === undefined) return undefined;
    const stepStatuses = [{ stepId: "a", state, fraction: 1, outputs }];
    const large =
      largeWorkflows.get(id) ?? encodedWorkflow(encodedSpec(body), { ...common, id, stepStatuses });
    largeWorkflows.set(id, large);
    return large;
  }

  const workflowOf = (id: string) => largeWorkflow(id) ?? workflow(id);
  const known = unary(GetWorkflowRequestSchema, ({ workflowId }) => workflowOf(workflowId));

  return {
    SubmitWorkflow: (request) => [
      request.length > maxDecoded
        ? encodedWorkflow(specIn(request), { ...common, id: "w1" })
        : workflow("w1", fromBinary(SubmitWorkflowRequestSchema, request).spec),
    ],
    GetWorkflow: known,
    CancelWorkflow: known,
    RetryWorkflow: known,
    ListWorkflows: unary(ListWorkflowsRequestSchema, ({ pageSize, pageToken }) => {
      const large = largeWorkflow(pageToken);
      const page =
        large === undefined ? [workflow("w1"), workflow("w2")] : Array<typeof large>(pageSize).fill(large);
      return encodedPage(page, "2");
    }),
    RankDesigns: unary(RankDesignsRequestSchema, ({ metric }) =>
      toBinary(
        RankDesignsResponseSchema,
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
      ),
    ),
    GetBalance: () => [
      toBinary(GetBalanceResponseSchema, create(GetBalanceResponseSchema, { balance: 2n ** 53n + 1n })),
    ],
    GrantCredits: unary(GrantCreditsRequestSchema, ({ amount }) =>
      toBinary(
        GrantCreditsResponseSchema,
        create(GrantCreditsResponseSchema, { balance: 2n ** 53n + amount }),
      ),
    ),
    ListLedger: unary(ListLedgerRequestSchema, ({ limit }) => {
      const entry = { delta: -25n, reason: "a step", balanceAfter: -(2n ** 53n) - 1n, createdAt: at };
      const entries = Array.from({ length: limit }, () => entry);
      return toBinary(ListLedgerResponseSchema, create(ListLedgerResponseSchema, { entries }));
    }),
    StreamWorkflowEvents: (request) => {
      const { workflowId, fromEventId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
      // No event follows the largest possible id.
      if (fromEventId === lastEventId) return [];
      return [encodedUpdate(workflowOf(workflowId), { workflowId, at, eventId: fromEventId + 1n })];
    },
    AuthenticateApiKey: unary(AuthenticateApiKeyRequestSchema, ({ keyHash }) => {
      const isKnown = keyHash === sha256(apiKey);
      return toBinary(
        AuthenticateApiKeyResponseSchema,
        create(
          AuthenticateApiKeyResponseSchema,
          isKnown ? { allowed: true, principal } : { allowed: false, denyReason: "unknown" },
        ),
      );
    }),
    ConsumeQuota: () => [
      toBinary(
        ConsumeQuotaResponseSchema,
        create(ConsumeQuotaResponseSchema, { allowed: true, limit: 1000n, used: 1n, principal }),
      ),
    ],
  };
}
