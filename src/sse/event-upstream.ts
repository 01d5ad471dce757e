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
   * One upstream stream. `mayBeOver` is asked before each event; where it holds, silence ends the stream: a
   * call's deadline of it before the first event, which takes as long to find as any answer, and little after.
   */
  open(fromEventId: bigint, mayBeOver: () => boolean): AsyncIterable<WorkflowEvent>;
  /** Where a client that has seen this snapshot of a terminal workflow resumes: at the event that ended it. */
  resumePointAfter(snapshot: Workflow): Promise<bigint>;
  /** Whether the workflow is in a terminal state. */
  isFinished(): Promise<boolean>;
}

/** The events of `workflowId` as the caller of `call` may see them; `lingerMs` is the little silence. */
export function createEventUpstream(
  client: OrchestratorClient,
  workflowId: string,
  call: Call,
  lingerMs: number,
): EventUpstream {
  async function* open(fromEventId: bigint, mayBeOver: () => boolean) {
    const stop = new AbortController();
    // Leaving the loop does not end the server's side; aborting does.
    const signal = AbortSignal.any([call.signal, stop.signal]);
    const stream = client.streamWorkflowEvents(
      { workflowId, fromEventId },
      { headers: call.headers, signal },
    );
    const events = stream[Symbol.asyncIterator]();
    let silenceMs = call.timeoutMs;
    try {
      for (;;) {
        const next = await orSilence(events.next(), mayBeOver() ? silenceMs : undefined);
        if (next === undefined || next.done === true) return;
        silenceMs = lingerMs;
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
      for await (const { eventId, event } of open(1n, () => true)) {
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
