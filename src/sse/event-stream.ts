import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Call } from "../locals.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";

/** The next event of a stream, or its end. */
export type Next = IteratorResult<WorkflowEvent>;

/** Waits for what comes next, and says how long: undefined where nothing came. */
export type Wait = (next: Promise<Next>) => Promise<Next | undefined>;

/** Takes an event; resolves to whether it wants more, when it is ready for the next one. */
export type TakeEvent = (event: WorkflowEvent) => Promise<boolean>;

/**
 * Gives the events of one upstream stream after `fromEventId` to `take`, until it wants no more, the stream ends, or
 * `wait` has waited long enough; rejects when the stream breaks.
 */
export type RunStream = (fromEventId: bigint, wait: Wait, take: TakeEvent) => Promise<void>;

/** The streams of `workflowId` as the caller of `call` may see them. */
export function createEventStreams(client: OrchestratorClient, workflowId: string, call: Call): RunStream {
  const { headers, signal } = call;

  return async function runStream(fromEventId, wait, take) {
    const stream = client.streamWorkflowEvents({ workflowId, fromEventId }, { headers, signal });
    const events = stream[Symbol.asyncIterator]();

    function handle(next: Next | undefined): Promise<boolean> | boolean {
      return next === undefined || next.done === true ? false : take(next.value);
    }

    // `for await` would keep each event in memory for as long as it waits for the next one.
    try {
      let goesOn = true;
      while (goesOn) goesOn = await wait(events.next()).then(handle);
    } finally {
      // Ends the server's side too.
      await events.return?.();
    }
  };
}
