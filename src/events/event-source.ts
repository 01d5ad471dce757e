import type { Call } from "../http/stages.ts";
import { readWorkflowStatus } from "../mapping/workflow-event.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { withReadOptions } from "../grpc/index.ts";
import type { MessageMemory } from "../grpc/index.ts";
import { createEndSearch } from "./terminal-search.ts";
import type { EndSearch } from "./terminal-search.ts";
import { terminalStatusOf } from "./terminal.ts";
import type { TerminalStatus } from "./terminal.ts";
import { createEventStreams } from "./upstream-stream.ts";
import type { Next, TakeEvent } from "./upstream-stream.ts";
import { withTimeout } from "./with-timeout.ts";

/** What the orchestrator tells of one workflow's events. */
export interface EventUpstream extends Pick<EndSearch, "isEnd" | "resumePointAfter"> {
  /** Aborts when nobody follows any more. */
  readonly signal: AbortSignal;
  /**
   * Gives the events of one upstream stream to `take`, until it wants no more or the stream ends; rejects when
   * the stream breaks. Silence ends it too: of `idleTimeoutMs` while `mayBeOver()`, which is asked before each event; of
   * a call's deadline where the workflow has an `ending`, since an event may take as long to find as any answer.
   * Resolves to whether no event came because `fromEventId` is the one that brought the ending about; behind that one,
   * too, silence of `idleTimeoutMs` is enough.
   */
  read(
    fromEventId: bigint,
    ending: TerminalStatus | undefined,
    mayBeOver: () => boolean,
    take: TakeEvent,
  ): Promise<boolean>;
  /** How the workflow has ended; undefined while it has not. */
  ending(): Promise<TerminalStatus | undefined>;
}

interface UpstreamOptions {
  /** The little silence. */
  readonly idleTimeoutMs: number;
  /** For the events that are looked through: a stream may hold one of its own meanwhile, which others wait for. */
  readonly searchMemory: MessageMemory;
}

/** The events of `workflowId` as the caller of `call` may see them. */
export function createEventUpstream(
  client: OrchestratorClient,
  workflowId: string,
  call: Call,
  { idleTimeoutMs, searchMemory }: UpstreamOptions,
): EventUpstream {
  const { signal, timeoutMs } = call;
  const run = createEventStreams(client, workflowId, call);
  // Streams that are only followed need none.
  function search(): EndSearch {
    const contextValues = withReadOptions({ memory: searchMemory }, call.contextValues);
    const runSearch = createEventStreams(client, workflowId, { ...call, contextValues });
    return createEndSearch(runSearch, { idleTimeoutMs, timeoutMs });
  }

  return {
    signal,
    async read(fromEventId, ending, mayBeOver, take) {
      let taken = 0;
      let isAtEnd: Promise<boolean> | false = false;

      async function first(next: Promise<Next>, ending: TerminalStatus) {
        // While the stream is waited for: at the end the answer is 204, to be known before the headers go out.
        isAtEnd = search().isEndEvent(fromEventId, ending);
        // Where an event comes, nobody wants to know.
        isAtEnd.catch(() => undefined);
        const soon = await withTimeout(next, idleTimeoutMs);
        return soon ?? withTimeout(next, (await isAtEnd) ? 0 : timeoutMs);
      }

      function wait(next: Promise<Next>) {
        if (mayBeOver()) return withTimeout(next, idleTimeoutMs);
        if (ending === undefined) return next;
        return taken === 0 ? first(next, ending) : withTimeout(next, timeoutMs);
      }

      await run(fromEventId, wait, (event) => {
        taken += 1;
        return take(event);
      });
      return taken === 0 && isAtEnd;
    },
    async ending() {
      using workflow = await client.getWorkflow({ workflowId }, call);
      return terminalStatusOf(readWorkflowStatus(workflow.bytes));
    },
    isEnd: (id, ending) => search().isEnd(id, ending),
    resumePointAfter: (snapshot) => search().resumePointAfter(snapshot),
  };
}
