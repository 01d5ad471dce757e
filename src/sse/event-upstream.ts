import { create, equals } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type {
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Call } from "../locals.ts";
import { isTerminal } from "../mapping/job-state.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { orSilence } from "./or-silence.ts";

/** What the orchestrator tells of one workflow's events. */
export interface EventUpstream {
  /** Aborts when nobody follows any more. */
  readonly signal: AbortSignal;
  /**
   * One upstream stream. `silenceMs` is asked before each event; when that many milliseconds bring nothing,
   * the stream is taken to be over.
   */
  open(fromEventId: bigint, silenceMs: () => number | undefined): AsyncIterable<WorkflowEvent>;
  /** Where a client that has seen this snapshot of a terminal workflow resumes: at the event that ended it. */
  resumePointAfter(snapshot: Workflow): Promise<bigint>;
  /** Whether the workflow is in a terminal state. */
  isFinished(): Promise<boolean>;
}

/** The events of `workflowId` as the caller of `call` may see them. */
export function createEventUpstream(
  client: OrchestratorClient,
  workflowId: string,
  call: Call,
  lingerMs: number,
): EventUpstream {
  async function* open(fromEventId: bigint, silenceMs: () => number | undefined) {
    const stop = new AbortController();
    // Leaving the loop does not end the server's side; aborting does.
    const signal = AbortSignal.any([call.signal, stop.signal]);
    const stream = client.streamWorkflowEvents(
      { workflowId, fromEventId },
      { headers: call.headers, signal },
    );
    const events = stream[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await orSilence(events.next(), silenceMs());
        if (next === undefined || next.done === true) return;
        yield next.value;
      }
    } finally {
      stop.abort();
    }
  }

  return {
    signal: call.signal,
    open,
    async resumePointAfter({ updatedAt }) {
      // Events of a retry after the snapshot have higher ids, and are still to come.
      let end = 1n;
      let silenceMs = call.timeoutMs;
      for await (const { eventId, event } of open(1n, () => silenceMs)) {
        silenceMs = lingerMs;
        if (event.case !== "workflowUpdate" || !isTerminal(event.value.state)) continue;
        end = eventId;
        if (equals(TimestampSchema, event.value.updatedAt ?? noTime, updatedAt ?? noTime)) break;
      }
      return end;
    },
    async isFinished() {
      return isTerminal((await client.getWorkflow({ workflowId }, call)).state);
    },
  };
}

/** The time of what has none. */
const noTime = create(TimestampSchema);
