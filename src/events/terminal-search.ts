import { equals } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import type { UpstreamEvent, UpstreamStream } from "./upstream-stream.ts";

/** Looks up the terminal state of a workflow, and searches its stored events for the terminal event, its transition. */
export interface TerminalSearch {
  /** The terminal state of the workflow and the time of its transition; undefined while it is not terminal. */
  readStatus(): Promise<WorkflowStatus | undefined>;
  /** Whether the event `id` is the terminal event. */
  isTerminalEvent(id: bigint, terminal: WorkflowStatus): Promise<boolean>;
  /**
   * Whether a client that has the event `id` has the terminal event, and no event is stored after `id`. The end of a
   * stream does not prove that: an orchestrator that stops may end its streams, too.
   */
  isLastEvent(id: bigint, terminal: WorkflowStatus): Promise<boolean>;
  /** The resume point of a client that has this snapshot of a terminal workflow: the id of the terminal event. */
  resumePointAfter(snapshot: WorkflowStatus): Promise<bigint>;
}

interface SearchOptions {
  readonly readWorkflow: () => Promise<WorkflowStatus>;
  readonly openStream: (fromEventId: bigint) => UpstreamStream;
  /** The timeout for an event when the last one may already have been sent, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** The timeout for any other event, in milliseconds. */
  readonly eventTimeoutMs: number;
}

/** Builds a search. Each call opens its own streams, and closes them as soon as the result is known. */
export function createTerminalSearch({
  readWorkflow,
  openStream,
  idleTimeoutMs,
  eventTimeoutMs,
}: SearchOptions): TerminalSearch {
  async function isTerminalEvent(id: bigint, terminal: WorkflowStatus): Promise<boolean> {
    // The first event cannot be read: a stream from 0 begins with a snapshot.
    if (id < 2n) return false;
    await using stream = openStream(id - 1n);
    using event = await nextStored(stream, eventTimeoutMs);
    return event?.eventId === id && isTransitionTo(event, terminal);
  }

  /** Whether `id` is the last event, as far as the events after `fromEventId` show it. */
  async function searchFrom(
    fromEventId: bigint,
    id: bigint,
    terminal: WorkflowStatus,
  ): Promise<boolean | undefined> {
    let lastId: bigint | undefined;
    let lastState: JobState | undefined;
    await using stream = openStream(fromEventId);
    for (;;) {
      using event = await nextStored(stream, eventTimeoutMs);
      if (event === undefined) break;
      if (event.eventId > id) return false;
      if (isTransitionTo(event, terminal)) return true;
      lastId = event.eventId;
      lastState = event.update?.state ?? lastState;
    }
    // Also true if the times differ: `id` is the last event, and the workflow is in the terminal state after it.
    return lastId === id && lastState === terminal.state ? true : undefined;
  }

  /** Whether a fresh stream begins with a snapshot of a terminal workflow. */
  async function isSnapshotTerminal(): Promise<boolean> {
    await using stream = openStream(0n);
    using event = await stream.next(eventTimeoutMs);
    return event?.update !== undefined && isTerminal(event.update.state);
  }

  return {
    async readStatus() {
      const status = await readWorkflow();
      return isTerminal(status.state) ? status : undefined;
    },
    isTerminalEvent,
    async isLastEvent(id, terminal) {
      if (id === 0n) return false;
      if (id === 1n) {
        // The first event cannot be read. A terminal snapshot confirms that no event is stored after it: an orchestrator
        // that ends every stream at once would send no snapshot.
        const [isLast, isConfirmed] = await Promise.all([searchFrom(1n, id, terminal), isSnapshotTerminal()]);
        return isLast ?? isConfirmed;
      }
      // The event and the next one suffice, unless no event has the id or the event comes after the terminal event.
      return (await searchFrom(id - 1n, id, terminal)) ?? (await searchFrom(1n, id, terminal)) ?? false;
    },
    async resumePointAfter(snapshot) {
      let id = 1n;
      let mayBeLast = false;
      await using stream = openStream(1n);
      for (;;) {
        using event = await nextStored(stream, mayBeLast ? idleTimeoutMs : eventTimeoutMs);
        if (event === undefined) return id;
        const { eventId, update } = event;
        if (update !== undefined) mayBeLast = update.state === snapshot.state;
        if (update !== undefined && mayBeLast) id = eventId;
        // The events of a retry after the snapshot have higher ids; the client has yet to get them.
        if (isTransitionTo(event, snapshot)) return id;
      }
    },
  };
}

/** The next stored event. Skips events that are not stored: they do not show which stored event is the last one. */
async function nextStored(stream: UpstreamStream, timeoutMs: number): Promise<UpstreamEvent | undefined> {
  for (;;) {
    const event = await stream.next(timeoutMs);
    if (event === undefined || event.eventId > 0n) return event;
    event[Symbol.dispose]();
  }
}

/** Whether a retry may follow this terminal state: only a FAILED workflow can be retried. */
export function canBeRetried(state: JobState): boolean {
  return state === JobState.FAILED;
}

/** Whether this stored event is the transition to the terminal state. A workflow that fails again has another time. */
function isTransitionTo({ update }: UpstreamEvent, { state, updatedAt }: WorkflowStatus): boolean {
  if (update?.state !== state) return false;
  if (!canBeRetried(state)) return true;
  const time = update.updatedAt;
  return time !== undefined && updatedAt !== undefined && equals(TimestampSchema, time, updatedAt);
}
