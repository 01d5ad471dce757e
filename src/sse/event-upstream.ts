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

/** Takes an event; resolves to whether it wants more, when it is ready for the next one. */
export type TakeEvent = (event: WorkflowEvent) => Promise<boolean>;

/** What the orchestrator tells of one workflow's events. */
export interface EventUpstream {
  /** Aborts when nobody follows any more. */
  readonly signal: AbortSignal;
  /**
   * Gives the events of one upstream stream to `take`, until it wants no more or the stream ends; rejects when
   * the stream breaks. `mayBeOver` is asked before each event. Where it holds, silence ends the stream too: of a
   * call's deadline before the first event, which takes as long to find as any answer, of `lingerMs` after it.
   */
  read(fromEventId: bigint, mayBeOver: () => boolean, take: TakeEvent): Promise<void>;
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
  async function read(fromEventId: bigint, mayBeOver: () => boolean, take: TakeEvent): Promise<void> {
    const stream = client.streamWorkflowEvents(
      { workflowId, fromEventId },
      { headers: call.headers, signal: call.signal },
    );
    const events = stream[Symbol.asyncIterator]();
    let silenceMs = call.timeoutMs;

    function handle(next: IteratorResult<WorkflowEvent> | undefined): Promise<boolean> | boolean {
      if (next === undefined || next.done === true) return false;
      silenceMs = lingerMs;
      return take(next.value);
    }

    // `for await` would keep each event in memory for as long as it waits for the next one.
    let goesOn = true;
    try {
      while (goesOn)
        goesOn = await orSilence(events.next(), mayBeOver() ? silenceMs : undefined).then(handle);
    } finally {
      // Ends the server's side too.
      await events.return?.();
    }
  }

  return {
    signal: call.signal,
    read,
    async resumePointAfter({ updatedAt }) {
      // Events of a retry after the snapshot have higher ids, and are still to come.
      let end = 1n;
      await read(
        1n,
        () => true,
        ({ eventId, event }) => {
          if (event.case !== "workflowUpdate" || !isTerminal(event.value.state)) return Promise.resolve(true);
          end = eventId;
          return Promise.resolve(
            !equals(TimestampSchema, event.value.updatedAt ?? noTime, updatedAt ?? noTime),
          );
        },
      );
      return end;
    },
    async isFinished() {
      return isTerminal((await client.getWorkflow({ workflowId }, call)).state);
    },
  };
}

/** The time of what has none. */
const noTime = create(TimestampSchema);
