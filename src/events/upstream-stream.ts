import type { WorkflowEvent } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { EncodedMessage } from "../grpc/index.ts";
import { readEventStatus } from "../mapping/workflow-event.ts";
import type { WorkflowStatus } from "../mapping/workflow-event.ts";
import type { RequestCallOptions } from "../orchestrator/call-options.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";

type EventMessage = EncodedMessage<WorkflowEvent>;

/** An event as the orchestrator sends it. Holds memory until it is disposed of, and has no bytes afterwards. */
export class UpstreamEvent implements Disposable {
  /** 0 for an event that is not stored, such as the snapshot. */
  readonly eventId: bigint;
  /** The status of the workflow if the event is a workflow update. */
  readonly update: WorkflowStatus | undefined;
  readonly #message: EventMessage;

  /** Throws when the message is not an event. */
  constructor(message: EventMessage) {
    const { eventId, update } = readEventStatus(message.bytes);
    this.eventId = eventId;
    this.update = update;
    this.#message = message;
  }

  /** The encoded WorkflowEvent. Throws after disposal. */
  get bytes(): Uint8Array {
    return this.#message.bytes;
  }

  [Symbol.dispose](): void {
    this.#message[Symbol.dispose]();
  }
}

/**
 * Calls StreamWorkflowEvents for the events of `workflowId` after `fromEventId` that the caller of `call` may see. Throws
 * if the call is already cancelled.
 */
export function openUpstreamStream(
  client: OrchestratorClient,
  workflowId: string,
  fromEventId: bigint,
  { signal, headers, contextValues }: RequestCallOptions,
): UpstreamStream {
  // Without the call's deadline: a stream lasts as long as its workflow.
  const messages = client.streamWorkflowEvents(
    { workflowId, fromEventId },
    { signal, headers, contextValues },
  );
  return new UpstreamStream(fromEventId, messages[Symbol.asyncIterator]());
}

/**
 * A StreamWorkflowEvents call, pulled event by event. It is no generator: a generator and `for await` keep each event in
 * memory while they wait for the next one, and thousands of streams are open. Nor is `next` an async function, which
 * would need twice the memory of a promise while it waits.
 */
export class UpstreamStream implements AsyncDisposable {
  /** The id that the stream was opened from: its events come after it. 0: a snapshot, then new events. */
  readonly fromEventId: bigint;
  readonly #messages: AsyncIterator<EventMessage>;
  /** The message that was requested and has not been taken. */
  #pending: Promise<IteratorResult<EventMessage>> | undefined;
  #eventCount = 0;

  constructor(fromEventId: bigint, messages: AsyncIterator<EventMessage>) {
    this.fromEventId = fromEventId;
    this.#messages = messages;
  }

  /** How many events `next` has returned. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /**
   * The next event, which the caller disposes of; undefined when no event comes within `timeoutMs`, and when the stream
   * has ended. Rejects when the stream breaks. After a timeout, another call waits for the same event.
   */
  next(timeoutMs?: number): Promise<UpstreamEvent | undefined> {
    this.#pending ??= this.#messages.next();
    return withTimeout(this.#pending, timeoutMs).then((result) => this.#take(result));
  }

  /** Cancels the call, and disposes of a message that was received and not taken. */
  async [Symbol.asyncDispose](): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    await this.#messages.return?.();
    pending?.then(
      ({ value }) => (value as EventMessage | undefined)?.[Symbol.dispose](),
      () => undefined,
    );
  }

  #take(result: IteratorResult<EventMessage> | undefined): UpstreamEvent | undefined {
    if (result === undefined || result.done === true) return undefined;
    const event = new UpstreamEvent(result.value);
    this.#pending = undefined;
    this.#eventCount += 1;
    return event;
  }
}

/** What `promise` resolves to, or undefined when it does not settle within `timeoutMs`. */
function withTimeout<T>(promise: Promise<T>, timeoutMs: number | undefined): Promise<T | undefined> {
  if (timeoutMs === undefined) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, timeoutMs, undefined);
    void promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
