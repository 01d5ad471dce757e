import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import { canBeRetried } from "./terminal.ts";
import type { EventUpstream } from "./event-source.ts";
import type { StreamedEvent } from "./upstream-stream.ts";
import type { EventText } from "./event-text.ts";
import { isRetryable } from "./retry-policy.ts";
import type { RetryPolicy } from "./retry-policy.ts";

/** An event for the client. */
export interface FollowedEvent {
  readonly event: StreamedEvent;
  /** Undefined for a kind that this version of the contract does not know. */
  readonly text: EventText | undefined;
  /** Where a client that got this event resumes; undefined where it keeps its resume point. */
  readonly id: bigint | undefined;
}

/** The client of a stream, and how far its answer is. */
export interface EventClient {
  /** Whether the answer has begun: before that, an error is answered with its status. */
  readonly isEstablished: boolean;
  /** An event as the client gets it; undefined for a kind that this version of the contract does not know. */
  textOf(event: StreamedEvent): Promise<EventText | undefined>;
  /** Begins the answer, though there is no event yet. */
  establish(): void;
  /** Sends an event and disposes of it; resolves when there is room for the next one. */
  send(event: FollowedEvent): Promise<void>;
}

/**
 * Sends every event of a workflow after `fromEventId` (0: a snapshot first), each once, until the workflow is
 * finished and nothing more will come. A stream that is lost, or that ends early, is taken up again at the
 * last event, once the client is established; before that, the first failure is the caller's to answer. Rejects
 * with the upstream's error when it is fatal, or after the last retry.
 */
export async function followWorkflow(
  upstream: EventUpstream,
  fromEventId: bigint,
  client: EventClient,
  retryPolicy: RetryPolicy,
): Promise<void> {
  let lastId = fromEventId;
  let lastSnapshot: string | undefined;
  // A resume may come after the end, and not every upstream tells that there is no more by ending.
  let ending = fromEventId > 0n ? await upstream.ending() : undefined;
  // There is something to wait for, and the question has shown that the caller may: a quiet workflow's next event may
  // be hours away, and until its answer begins a request takes a place among those in flight.
  if (fromEventId > 0n && ending === undefined) client.establish();
  /** The terminal state that the client has last seen; undefined where another one came after it. */
  let endState: JobState | undefined;
  let failures = 0;

  async function take(event: StreamedEvent): Promise<true> {
    const update = event.event.case === "workflowUpdate" ? event.event.value : undefined;
    const isOver = update !== undefined && isTerminal(update.state);
    let id: bigint | undefined;
    if (event.eventId !== 0n && event.eventId <= lastId) return true;
    const isSnapshot = event.eventId <= lastId;
    if (!isSnapshot) id = lastId = event.eventId;
    // Without a resume point, clients of a finished workflow would start afresh for ever. It may take long to find, and
    // the text is not to be held meanwhile.
    else if (isOver) id = lastId = await upstream.resumePointAfter(update);
    using text = await client.textOf(event);
    if (isSnapshot) {
      const snapshot = update && text?.digest();
      // Taken up again before any stored event, a stream starts with its snapshot once more.
      if (snapshot !== undefined && snapshot === lastSnapshot) return true;
      lastSnapshot = snapshot ?? lastSnapshot;
    }
    if (update !== undefined) endState = isOver ? update.state : undefined;
    await client.send({ event, text, id });
    failures = 0;
    return true;
  }

  for (;;) {
    const isReplay = lastId > 0n;
    try {
      if (await upstream.read(lastId, ending, () => endState !== undefined, take)) return;
      if (endState !== undefined && !(isReplay && canBeRetried(endState))) return;
      ending = await upstream.ending();
      if (ending !== undefined && (await upstream.isEnd(lastId, ending))) return;
      // What is stored of a retry is still to come.
      endState = undefined;
      if (failures >= retryPolicy.maxRetries) {
        throw new ConnectError(
          "the orchestrator keeps ending the stream before the workflow's end",
          Code.Unavailable,
        );
      }
    } catch (error) {
      if (!isRetryable(error) || !client.isEstablished || failures >= retryPolicy.maxRetries) throw error;
    }
    await delay(retryPolicy.backoffMs(failures), undefined, { signal: upstream.signal });
    failures += 1;
  }
}
