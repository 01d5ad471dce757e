/**
 * An orchestrator in a process of its own, to be killed and stopped: `node orchestrator-process.ts [port]` prints its url.
 * Its workflows have that URL as the label `server`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import {
  StreamWorkflowEventsRequestSchema,
  WorkflowEventSchema,
  WorkflowSchema,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { startEncodedUpstream } from "../support/encoded-upstream.ts";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";

/** The id of the last event of each stream, the terminal event of the workflow. */
const lastEvent = 300n;
const eventMs = 20;

const upstream = await startEncodedUpstream(
  {
    GetWorkflow: () => [encodedWorkflow],
    async *StreamWorkflowEvents(request) {
      const { fromEventId } = fromBinary(StreamWorkflowEventsRequestSchema, request);
      for (let id = fromEventId + 1n; id < lastEvent; id += 1n) {
        yield toBinary(WorkflowEventSchema, stepEvent(id));
        await delay(eventMs);
      }
      yield toBinary(WorkflowEventSchema, workflowEvent(lastEvent, JobState.SUCCEEDED));
    },
  },
  { port: Number(process.argv[2] ?? 0) },
);

const workflow = workflowIn(JobState.RUNNING);
if (workflow.spec !== undefined) workflow.spec.labels = { server: upstream.url };
const encodedWorkflow = toBinary(WorkflowSchema, workflow);

process.stdout.write(`${upstream.url}\n`);
