import type { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import { bringsAbout } from "./terminal.ts";
import type { TerminalStatus } from "./terminal.ts";
import type { RunStream, TakeEvent, Wait } from "./upstream-stream.ts";
import { withTimeout } from "./with-timeout.ts";

/** Looks for the end of a finished workflow among its stored events. */
export interface EndSearch {
  /** Whether the event `id` is the one that brought the ending about. */
  isEndEvent(id: bigint, ending: TerminalStatus): Promise<boolean>;
  /**
   * Whether a client that has the event `id` has seen this ending, and nothing is stored behind it. That a stream ends
   * does not tell: an orchestrator that stops may end its streams too.
   */
  isEnd(id: bigint, ending: TerminalStatus): Promise<boolean>;
  /** Where a client that has seen this snapshot of a terminal workflow resumes: at the event that ended it. */
  resumePointAfter(snapshot: WorkflowStatus): Promise<bigint>;
}

/** How long each event is waited for, in milliseconds: `idleTimeoutMs` where there may be no more, else `timeoutMs`. */
interface Patience {
  readonly idleTimeoutMs: number;
  readonly timeoutMs: number;
}

/** Builds it: each search is a stream of its own, which ends as soon as it has told enough. */
export function createEndSearch(run: RunStream, { idleTimeoutMs, timeoutMs }: Patience): EndSearch {
  const orDeadline: Wait = (next) => withTimeout(next, timeoutMs);

  /** What is not stored may come on any stream, and says nothing of the log. */
  function runStored(fromEventId: bigint, wait: Wait, take: TakeEvent): Promise<void> {
    return run(fromEventId, wait, (event) => (event.eventId === 0n ? Promise.resolve(true) : take(event)));
  }

  async function isEndEvent(id: bigint, ending: TerminalStatus): Promise<boolean> {
    // Before the first event there is no place to read it from: 0 asks for a snapshot.
    if (id < 2n) return false;
    let isIt = false;
    await runStored(id - 1n, orDeadline, (event) => {
      isIt = event.eventId === id && bringsAbout(event, ending);
      return Promise.resolve(false);
    });
    return isIt;
  }

  /** What `isEnd` promises, as far as the events after `fromEventId` tell. */
  async function search(
    fromEventId: bigint,
    id: bigint,
    ending: TerminalStatus,
  ): Promise<boolean | undefined> {
    const seen: { id?: bigint; state?: JobState; answer?: boolean } = {};
    await runStored(fromEventId, orDeadline, (event) => {
      seen.id = event.eventId;
      if (event.event.case === "workflowUpdate") seen.state = event.event.value.state;
      if (event.eventId > id) seen.answer = false;
      else if (bringsAbout(event, ending)) seen.answer = true;
      return Promise.resolve(seen.answer === undefined);
    });
    // Where times do not agree: it is the last event, and has left the workflow in its state.
    if (seen.id === id && seen.state === ending.state) return true;
    return seen.answer;
  }

  /** Whether a fresh stream shows the workflow as finished. */
  async function isShown(): Promise<boolean> {
    let isTold = false;
    await run(0n, orDeadline, ({ event }) => {
      isTold = event.case === "workflowUpdate" && isTerminal(event.value.state);
      return Promise.resolve(false);
    });
    return isTold;
  }

  return {
    isEndEvent,
    async isEnd(id, ending) {
      if (id === 0n) return false;
      if (id === 1n) {
        // The first event cannot be looked at. A snapshot speaks for the silence of the log behind it: an orchestrator
        // that ends whatever it is asked for would show none.
        const [answer, isTold] = await Promise.all([search(1n, id, ending), isShown()]);
        return answer ?? isTold;
      }
      // The event and the next one tell, but for ids that no event has, or one that came after the end.
      return (await search(id - 1n, id, ending)) ?? (await search(1n, id, ending)) ?? false;
    },
    async resumePointAfter(snapshot) {
      // Events of a retry after the snapshot have higher ids, and are still to come.
      let end = 1n;
      let mayBeOver = false;
      await runStored(
        1n,
        (next) => withTimeout(next, mayBeOver ? idleTimeoutMs : timeoutMs),
        (event) => {
          const update = event.event.case === "workflowUpdate" ? event.event.value : undefined;
          if (update !== undefined) mayBeOver = update.state === snapshot.state;
          if (update !== undefined && mayBeOver) end = event.eventId;
          return Promise.resolve(!bringsAbout(event, snapshot));
        },
      );
      return end;
    },
  };
}
