import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Call } from "../http/stages.ts";
import { readEventStatus } from "../mapping/workflow-event.ts";
import type { EventStatus } from "../mapping/workflow-event.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import type { EncodedMessage } from "../grpc/index.ts";

/** An event of an upstream stream. Its message is disposed of at the latest when whoever takes it is done with it. */
export interface StreamedEvent extends EventStatus {
  readonly message: EncodedMessage<WorkflowEvent>;
}

/** The next event of a stream, or its end. */
export type Next = IteratorResult<EncodedMessage<WorkflowEvent>>;

/** Waits for what comes next, and says how long: undefined where nothing came. */
export type Wait = (next: Promise<Next>) => Promise<Next | undefined>;

/** Takes an event; resolves to whether it wants more, when it is ready for the next one. */
export type TakeEvent = (event: StreamedEvent) => Promise<boolean>;

/**
 * Gives the events of one upstream stream after `fromEventId` to `take`, until it wants no more, the stream ends, or
 * `wait` has waited long enough; rejects when the stream breaks.
 */
export type RunStream = (fromEventId: bigint, wait: Wait, take: TakeEvent) => Promise<void>;

/** The streams of `workflowId` as the caller of `call` may see them. */
export function createEventStreams(
  client: OrchestratorClient,
  workflowId: string,
  { signal, headers, contextValues }: Call,
): RunStream {
  // Without the deadline, which is for calls that end.
  const options = { signal, headers, contextValues };

  return async function runStream(fromEventId, wait, take) {
    const stream = client.streamWorkflowEvents({ workflowId, fromEventId }, options);
    const events = stream[Symbol.asyncIterator]();
    /** The message that nobody waits for any more, once it comes. */
    let pending: Promise<Next> | undefined;

    async function handle(next: Next | undefined): Promise<boolean> {
      if (next === undefined || next.done === true) return false;
      pending = undefined;
      using message = next.value;
      return await take({ ...readEventStatus(message.bytes), message });
    }

    // `for await` would keep each event in memory for as long as it waits for the next one.
    try {
      let goesOn = true;
      while (goesOn) {
        pending = events.next();
        goesOn = await wait(pending).then(handle);
      }
    } finally {
      // Ends the server's side too.
      await events.return?.();
      pending?.then(
        ({ value }: Next) => (value as EncodedMessage<WorkflowEvent> | undefined)?.[Symbol.dispose](),
        () => undefined,
      );
    }
  };
}
