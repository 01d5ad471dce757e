import { equals } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import type { UpstreamEvent, UpstreamStream } from "./upstream-stream.ts";

/** The terminal state of a workflow, and when it was entered. */
export type TerminalStatus = WorkflowStatus;

/** Looks up the terminal state of a workflow, and searches its stored events for the one that entered it. */
export interface TerminalSearch {
  /** The terminal state of the workflow; undefined while it is not terminal. */
  readStatus(): Promise<TerminalStatus | undefined>;
  /** Whether the event `id` is the one that entered the terminal state. */
  isTerminalEvent(id: bigint, terminal: TerminalStatus): Promise<boolean>;
  /**
   * Whether a client that has the event `id` has the event that entered the terminal state, and nothing is stored behind
   * it. The end of a stream does not prove that: an orchestrator that stops may end its streams too.
   */
  isLastEvent(id: bigint, terminal: TerminalStatus): Promise<boolean>;
  /** Where a client that has this snapshot of a terminal workflow resumes: at the event that entered the state. */
  resumePointAfter(snapshot: WorkflowStatus): Promise<bigint>;
}

interface SearchOptions {
  readonly readWorkflow: () => Promise<WorkflowStatus>;
  readonly openStream: (fromEventId: bigint) => UpstreamStream;
  /** Longest wait for an event where there may be no more, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** Longest wait for any other event, in milliseconds. */
  readonly callTimeoutMs: number;
}

/** Builds it. Each search has a stream of its own, which it closes as soon as it knows enough. */
export function createTerminalSearch({
  readWorkflow,
  openStream,
  idleTimeoutMs,
  callTimeoutMs,
}: SearchOptions): TerminalSearch {
  async function isTerminalEvent(id: bigint, terminal: TerminalStatus): Promise<boolean> {
    // The first event cannot be read: a stream from 0 begins with a snapshot.
    if (id < 2n) return false;
    await using stream = openStream(id - 1n);
    using event = await nextStored(stream, callTimeoutMs);
    return event?.eventId === id && enters(event, terminal);
  }

  /** Whether `id` is the last event, as far as the events after `fromEventId` show it. */
  async function searchFrom(
    fromEventId: bigint,
    id: bigint,
    terminal: TerminalStatus,
  ): Promise<boolean | undefined> {
    let lastId: bigint | undefined;
    let lastState: JobState | undefined;
    await using stream = openStream(fromEventId);
    for (;;) {
      using event = await nextStored(stream, callTimeoutMs);
      if (event === undefined) break;
      if (event.eventId > id) return false;
      if (enters(event, terminal)) return true;
      lastId = event.eventId;
      lastState = event.update?.state ?? lastState;
    }
    // Where the times differ: it is the last event, and has left the workflow in the terminal state.
    return lastId === id && lastState === terminal.state ? true : undefined;
  }

  /** Whether a fresh stream begins with a snapshot of a terminal workflow. */
  async function isSnapshotTerminal(): Promise<boolean> {
    await using stream = openStream(0n);
    using event = await stream.next(callTimeoutMs);
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
        // The first event cannot be read. A terminal snapshot confirms that nothing is stored behind it: an orchestrator
        // that ends every stream at once would send none.
        const [isLast, isConfirmed] = await Promise.all([searchFrom(1n, id, terminal), isSnapshotTerminal()]);
        return isLast ?? isConfirmed;
      }
      // The event and the next one suffice, except for an id that no event has and for one behind the terminal event.
      return (await searchFrom(id - 1n, id, terminal)) ?? (await searchFrom(1n, id, terminal)) ?? false;
    },
    async resumePointAfter(snapshot) {
      let id = 1n;
      let mayBeLast = false;
      await using stream = openStream(1n);
      for (;;) {
        using event = await nextStored(stream, mayBeLast ? idleTimeoutMs : callTimeoutMs);
        if (event === undefined) return id;
        const { eventId, update } = event;
        if (update !== undefined) mayBeLast = update.state === snapshot.state;
        if (update !== undefined && mayBeLast) id = eventId;
        // Events of a retry after the snapshot have higher ids, and are still to come.
        if (enters(event, snapshot)) return id;
      }
    },
  };
}

/** The next stored event: what is not stored may come on any stream, and says nothing about the log. */
async function nextStored(stream: UpstreamStream, timeoutMs: number): Promise<UpstreamEvent | undefined> {
  for (;;) {
    const event = await stream.next(timeoutMs);
    if (event === undefined || event.eventId > 0n) return event;
    event[Symbol.dispose]();
  }
}

/** Whether a retry may lead on from this terminal state: only a FAILED workflow can be retried. */
export function canBeRetried(state: JobState): boolean {
  return state === JobState.FAILED;
}

/** Whether this stored event entered the terminal state. A workflow that fails again has another time. */
function enters({ update }: UpstreamEvent, { state, updatedAt }: TerminalStatus): boolean {
  if (update?.state !== state) return false;
  if (!canBeRetried(state)) return true;
  const time = update.updatedAt;
  return time !== undefined && updatedAt !== undefined && equals(TimestampSchema, time, updatedAt);
}
