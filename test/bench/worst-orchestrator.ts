/**
 * The orchestrator of the worst workflows: responds with bytes that are encoded in advance. The id of a workflow and the
 * token of a page name its kind. A page has the requested size; a token with an index leads through a list of bounded
 * length. An event stream gets several updates, and stays open. Writes its `url` to stdout.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  GetWorkflowRequestSchema,
  ListWorkflowsRequestSchema,
  StreamWorkflowEventsRequestSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { allowAll, startEncodedUpstream } from "../support/encoded-upstream.ts";
import {
  encodedPage,
  encodedSpec,
  encodedUpdate,
  encodedWorkflow,
  specIn,
  worstBody,
  worstKinds,
} from "../support/worst-workflows.ts";
import { listed, share, updates } from "./worst-amounts.ts";

const workflows = new Map<string, Uint8Array>(
  worstKinds.map((kind) => [
    kind,
    encodedWorkflow(encodedSpec(worstBody(kind, share)), { id: kind, state: JobState.RUNNING }),
  ]),
);

function workflowOf(id: string): Uint8Array {
  const workflow = workflows.get(id);
  if (workflow === undefined) throw new Error(`there is no workflow ${id}`);
  return workflow;
}

/** A page of one kind; a token without an index is the page of an endless list. */
function page({
  pageSize,
  pageToken,
}: {
  readonly pageSize: number;
  readonly pageToken: string;
}): Uint8Array {
  const [kind = "", index] = pageToken.split(":");
  const workflow = workflowOf(kind);
  if (index === undefined) return encodedPage(Array<Uint8Array>(pageSize).fill(workflow), "");
  const end = Math.min(Number(index) + pageSize, listed);
  const own = Array<Uint8Array>(end - Number(index)).fill(workflow);
  return encodedPage(own, end === listed ? "" : `${kind}:${end}`);
}

const { url } = await startEncodedUpstream({
  ...allowAll,
  SubmitWorkflow: (request) => [encodedWorkflow(specIn(request), { id: "w1", state: JobState.QUEUED })],
  GetWorkflow: (request) => [workflowOf(fromBinary(GetWorkflowRequestSchema, request).workflowId)],
  ListWorkflows: (request) => [page(fromBinary(ListWorkflowsRequestSchema, request))],
  async *StreamWorkflowEvents(request, stream) {
    const { workflowId, fromEventId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
    for (let more = 1; more <= updates; more += 1) {
      yield encodedUpdate(workflowOf(workflowId), { workflowId, eventId: fromEventId + BigInt(more) });
    }
    await new Promise((resolve) => stream.once("close", resolve));
  },
});
process.stdout.write(`${JSON.stringify({ url })}\n`);
