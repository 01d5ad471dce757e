import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import { canBeRetried } from "./terminal.ts";
import type { EventUpstream } from "./event-source.ts";
import type { StreamedEvent } from "./upstream-stream.ts";
import type { EventText } from "./event-text.ts";

/** An event for the client. */
export interface FollowedEvent {
  readonly event: StreamedEvent;
  /** Undefined for a kind that this version of the contract does not know. */
  readonly text: EventText | undefined;
  /** Where a client that got this event resumes; undefined where it keeps its resume point. */
  readonly id: bigint | undefined;
}

/** How patiently a lost stream is taken up again. */
export interface Patience {
  /** Tries in a row that bring nothing, before it gives up. */
  readonly tries: number;
  /** Wait before try `n`, counted from 0, in milliseconds. */
  readonly backOffMs: (n: number) => number;
  /** Longest wait for more events where there may be no more, in milliseconds. */
  readonly lingerMs: number;
}

/** Waits 0.1 s, doubling to 5 s: gives up after about 20 s. */
export const defaultPatience: Patience = {
  tries: 9,
  backOffMs: (n) => Math.min(5000, 100 * 2 ** n) * (0.5 + Math.random() / 2),
  lingerMs: 500,
};

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
 * with the upstream's error when it is fatal, or when patience runs out.
 */
export async function followWorkflow(
  upstream: EventUpstream,
  fromEventId: bigint,
  client: EventClient,
  patience: Patience,
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
      if (failures >= patience.tries) {
        throw new ConnectError(
          "the orchestrator keeps ending the stream before the workflow's end",
          Code.Unavailable,
        );
      }
    } catch (error) {
      if (!isLost(error) || !client.isEstablished || failures >= patience.tries) throw error;
    }
    await delay(patience.backOffMs(failures), undefined, { signal: upstream.signal });
    failures += 1;
  }
}

/** Whether an error says that the connection was lost, rather than that the request was refused. */
export function isLost(error: unknown): boolean {
  return (
    error instanceof ConnectError &&
    (error.code === Code.Unavailable || error.code === Code.Aborted || error.code === Code.DeadlineExceeded)
  );
}
