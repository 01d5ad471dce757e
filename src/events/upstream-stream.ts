import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { EncodedMessage } from "../grpc/index.ts";
import { readEventStatus } from "../mapping/workflow-event.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import type { RequestCallOptions } from "../orchestrator/call-options.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";

type EventMessage = EncodedMessage<WorkflowEvent>;

/** An event as the orchestrator sends it. Its memory counts until it is disposed of; nothing of its bytes is kept then. */
export class UpstreamEvent implements Disposable {
  /** 0 for an event that is not stored, such as the snapshot. */
  readonly eventId: bigint;
  /** The status of the workflow, where the event is a workflow update. */
  readonly update: WorkflowStatus | undefined;
  readonly #message: EventMessage;

  /** Throws when the bytes of the message are no event. */
  constructor(message: EventMessage) {
    const { eventId, event } = readEventStatus(message.bytes);
    this.eventId = eventId;
    this.update = event.case === "workflowUpdate" ? event.value : undefined;
    this.#message = message;
  }

  /** The encoded WorkflowEvent. Throws once it is disposed of. */
  get bytes(): Uint8Array {
    return this.#message.bytes;
  }

  [Symbol.dispose](): void {
    this.#message[Symbol.dispose]();
  }
}

/**
 * One StreamWorkflowEvents call, pulled event by event. An object with a method rather than a generator: `for await`
 * and a generator keep each event in memory while they wait for the next one, and thousands of streams are open.
 */
export class UpstreamStream implements AsyncDisposable {
  /** The id that its events follow; 0 for a snapshot and what is new. */
  readonly fromEventId: bigint;
  readonly #messages: AsyncIterator<EventMessage>;
  /** The message that was requested and has not been taken. */
  #pending: Promise<IteratorResult<EventMessage>> | undefined;
  #eventCount = 0;

  constructor(fromEventId: bigint, messages: AsyncIterator<EventMessage>) {
    this.fromEventId = fromEventId;
    this.#messages = messages;
  }

  /** How many events it has brought. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /**
   * The next event, which the caller disposes of; undefined when none comes within `timeoutMs`, and when the stream has
   * ended. Rejects when the stream breaks. After a timeout the same event can be waited for again.
   */
  async next(timeoutMs?: number): Promise<UpstreamEvent | undefined> {
    this.#pending ??= this.#messages.next();
    const result = await withTimeout(this.#pending, timeoutMs);
    if (result === undefined || result.done === true) return undefined;
    const event = new UpstreamEvent(result.value);
    this.#pending = undefined;
    this.#eventCount += 1;
    return event;
  }

  /** Cancels the call, and disposes of a message that nobody has taken. */
  async [Symbol.asyncDispose](): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    await this.#messages.return?.();
    pending?.then(
      ({ value }) => (value as EventMessage | undefined)?.[Symbol.dispose](),
      () => undefined,
    );
  }
}

/**
 * Calls StreamWorkflowEvents for the events of `workflowId` after `fromEventId`, as the caller of `call` may see them.
 * Throws where the call is cancelled already.
 */
export function openUpstreamStream(
  client: OrchestratorClient,
  workflowId: string,
  fromEventId: bigint,
  { signal, headers, contextValues }: RequestCallOptions,
): UpstreamStream {
  // Without the deadline of the call: a stream lasts as long as its workflow.
  const messages = client.streamWorkflowEvents(
    { workflowId, fromEventId },
    { signal, headers, contextValues },
  );
  return new UpstreamStream(fromEventId, messages[Symbol.asyncIterator]());
}

/** What `promise` resolves to, or undefined when it does not settle within `timeoutMs`. */
function withTimeout<T>(promise: Promise<T>, timeoutMs: number | undefined): Promise<T | undefined> {
  if (timeoutMs === undefined) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, timeoutMs, undefined);
    void promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
