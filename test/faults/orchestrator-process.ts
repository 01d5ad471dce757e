/**
 * An orchestrator in a process of its own, to be killed and stopped: `node orchestrator-process.ts [port]` prints its url.
 * Its workflows have that URL as the label `server`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { stepEvent, workflowEvent, workflowIn } from "../support/samples.ts";
import { startUpstream } from "../support/upstream.ts";

/** The id of the last event of each stream, the terminal event of the workflow. */
const lastEvent = 300n;
const eventMs = 20;

const upstream = await startUpstream(
  {
    getWorkflow: () => {
      const workflow = workflowIn(JobState.RUNNING);
      if (workflow.spec !== undefined) workflow.spec.labels = { server: upstream.url };
      return workflow;
    },
    submitWorkflow: () => workflowIn(JobState.QUEUED),
    listWorkflows: () => ({}),
    async *streamWorkflowEvents({ fromEventId }, { signal }) {
      for (let id = fromEventId + 1n; id < lastEvent; id += 1n) {
        yield stepEvent(id);
        await delay(eventMs, undefined, { signal });
      }
      yield workflowEvent(lastEvent, JobState.SUCCEEDED);
    },
  },
  Number(process.argv[2] ?? 0),
);
process.stdout.write(`${upstream.url}\n`);
