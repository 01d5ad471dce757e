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
   * the stream breaks. `mayBeOver` is asked before each event. While it holds, silence of `lingerMs` ends the stream
   * too. Before the first event that is so only where `fromEventId` is the event that ended the workflow; elsewhere the
   * silence lasts for a call's deadline, since the event may take as long to find as any answer.
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
  function open(fromEventId: bigint): AsyncIterator<WorkflowEvent> {
    const { headers, signal } = call;
    const stream = client.streamWorkflowEvents({ workflowId, fromEventId }, { headers, signal });
    return stream[Symbol.asyncIterator]();
  }

  async function read(fromEventId: bigint, mayBeOver: () => boolean, take: TakeEvent): Promise<void> {
    const events = open(fromEventId);

    /** Waits for it; undefined where none comes. */
    async function first(next: ReturnType<typeof events.next>) {
      const soon = await orSilence(next, lingerMs);
      if (soon !== undefined || (await isEnd(fromEventId))) return soon;
      return orSilence(next, call.timeoutMs);
    }

    function handle(next: IteratorResult<WorkflowEvent> | undefined): Promise<boolean> | boolean {
      return next === undefined || next.done === true ? false : take(next.value);
    }

    // `for await` would keep each event in memory for as long as it waits for the next one.
    try {
      let goesOn = await (mayBeOver() ? first(events.next()) : events.next()).then(handle);
      while (goesOn) goesOn = await orSilence(events.next(), mayBeOver() ? lingerMs : undefined).then(handle);
    } finally {
      // Ends the server's side too.
      await events.return?.();
    }
  }

  /** Whether the workflow is as the stored event `id` has left it: finished, with nothing more to come. */
  async function isEnd(id: bigint): Promise<boolean> {
    // Before the first event there is no place to read it from: 0 asks for a snapshot.
    if (id < 2n) return false;
    const workflow = await client.getWorkflow({ workflowId }, call);
    if (!isTerminal(workflow.state) || workflow.updatedAt === undefined) return false;
    const events = open(id - 1n);
    try {
      const next = await orSilence(events.next(), call.timeoutMs);
      return next?.done === false && next.value.eventId === id && hasEnded(next.value, workflow);
    } finally {
      await events.return?.();
    }
  }

  return {
    signal: call.signal,
    read,
    async resumePointAfter(snapshot) {
      // Events of a retry after the snapshot have higher ids, and are still to come.
      let end = 1n;
      await read(
        1n,
        () => true,
        (event) => {
          const { case: kind, value } = event.event;
          if (kind === "workflowUpdate" && isTerminal(value.state)) end = event.eventId;
          return Promise.resolve(!hasEnded(event, snapshot));
        },
      );
      return end;
    },
    async isFinished() {
      return isTerminal((await client.getWorkflow({ workflowId }, call)).state);
    },
  };
}

/** The terminal state that an event tells of has the time of `workflow`: it was this event that brought it there. */
function hasEnded({ event }: WorkflowEvent, { updatedAt }: Workflow): boolean {
  if (event.case !== "workflowUpdate" || !isTerminal(event.value.state)) return false;
  return equals(TimestampSchema, event.value.updatedAt ?? noTime, updatedAt ?? noTime);
}

/** The time of what has none. */
const noTime = create(TimestampSchema);
