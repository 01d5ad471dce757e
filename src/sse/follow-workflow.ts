import { setTimeout as delay } from "node:timers/promises";
import { equals } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { WorkflowSchema } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type {
  Workflow,
  WorkflowEvent,
} from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { isTerminal } from "../mapping/job-state.ts";
import type { EventUpstream } from "./event-upstream.ts";

/** An event for the client. */
export interface FollowedEvent {
  readonly event: WorkflowEvent;
  /** Where a client that got this event resumes; undefined where it keeps its resume point. */
  readonly id: bigint | undefined;
}

/** How patiently a lost stream is taken up again. */
export interface Patience {
  /** Tries in a row that bring nothing, before it gives up. */
  readonly tries: number;
  /** Wait before try `n`, counted from 0, in milliseconds. */
  readonly backOffMs: (n: number) => number;
  /** Longest wait for more after a terminal event, in milliseconds. */
  readonly lingerMs: number;
}

/** Waits 0.1 s, doubling to 5 s: gives up after about 20 s. */
export const defaultPatience: Patience = {
  tries: 9,
  backOffMs: (n) => Math.min(5000, 100 * 2 ** n) * (0.5 + Math.random() / 2),
  lingerMs: 1000,
};

/**
 * Every event of a workflow after `fromEventId` (0: a snapshot first), each once, until the workflow is
 * finished and nothing more will come. A stream that is lost, or that ends early, is taken up again at the
 * last event, once `isEstablished()`; before that, the first failure is the caller's to answer. Rejects
 * with the upstream's error when it is fatal, or when patience runs out.
 */
export async function* followWorkflow(
  upstream: EventUpstream,
  fromEventId: bigint,
  isEstablished: () => boolean,
  patience: Patience = defaultPatience,
): AsyncGenerator<FollowedEvent, void> {
  let lastId = fromEventId;
  let snapshot: Workflow | undefined;
  let finished = false;
  let failures = 0;

  for (;;) {
    try {
      for await (const event of upstream.open(lastId, () => (finished ? patience.lingerMs : undefined))) {
        failures = 0;
        const update = event.event.case === "workflowUpdate" ? event.event.value : undefined;
        if (update !== undefined) finished = isTerminal(update.state);
        if (event.eventId === 0n) {
          // Taken up again before any stored event, the stream starts with a snapshot once more.
          if (update !== undefined && snapshot !== undefined && equals(WorkflowSchema, update, snapshot))
            continue;
          snapshot = update ?? snapshot;
          // A finished workflow's snapshot is its last event. It needs a resume point, or clients start afresh for ever.
          if (finished) lastId = await upstream.lastStoredId();
          yield { event, id: finished ? lastId : undefined };
        } else if (event.eventId > lastId) {
          lastId = event.eventId;
          yield { event, id: lastId };
        }
      }
      if (finished || (await upstream.isFinished())) return;
      if (failures >= patience.tries) {
        throw new ConnectError(
          "the orchestrator keeps ending the stream of an unfinished workflow",
          Code.Unavailable,
        );
      }
    } catch (error) {
      if (!isLost(error) || !isEstablished() || failures >= patience.tries) throw error;
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
