import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  WorkflowEventSchema,
  type WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";

/** The events of one workflow, in order, with ids 1, 2, 3… */
export interface EventLog {
  /** The id of the latest event; 0 while there is none. */
  readonly lastId: bigint;
  /** How many followers wait for the next event. */
  readonly waiting: number;
  append(event: WorkflowEvent["event"], at: Timestamp): void;
  /**
   * Yields each event with an id above `after`, first the stored ones and then new ones, until every event is
   * yielded and `isTerminal` returns true, or until `signal` aborts.
   */
  follow(after: bigint, isTerminal: () => boolean, signal: AbortSignal): AsyncIterable<WorkflowEvent>;
}

/** Creates an empty log. Followers read one shared list by index: a slow one costs no memory. */
export function createEventLog(workflowId: string): EventLog {
  const events: WorkflowEvent[] = [];
  const waiters = new Set<() => void>();

  function nextEvent(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      function wake() {
        waiters.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      }
      waiters.add(wake);
      signal.addEventListener("abort", wake);
      if (signal.aborted) wake();
    });
  }

  return {
    get lastId() {
      return BigInt(events.length);
    },
    get waiting() {
      return waiters.size;
    },
    append(event, at) {
      events.push(create(WorkflowEventSchema, { workflowId, event, at, eventId: BigInt(events.length + 1) }));
      for (const wake of [...waiters]) wake();
    },
    async *follow(after, isTerminal, signal) {
      // Ids count from 1, so the event after id N has index N.
      let index = Number(after);
      while (!signal.aborted) {
        const event = events[index];
        if (event !== undefined) {
          index += 1;
          yield event;
        } else if (isTerminal()) {
          return;
        } else {
          await nextEvent(signal);
        }
      }
    },
  };
}
