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
  /** Longest wait for more events where there may be no more, in milliseconds. */
  readonly lingerMs: number;
}

/** Waits 0.1 s, doubling to 5 s: gives up after about 20 s. */
export const defaultPatience: Patience = {
  tries: 9,
  backOffMs: (n) => Math.min(5000, 100 * 2 ** n) * (0.5 + Math.random() / 2),
  lingerMs: 500,
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
  patience: Patience,
): AsyncGenerator<FollowedEvent, void> {
  let lastId = fromEventId;
  let snapshot: Workflow | undefined;
  // A resume may come after the end, and not every upstream tells that there is no more by ending.
  let finished = fromEventId > 0n && (await upstream.isFinished());
  let failures = 0;

  for (;;) {
    try {
      for await (const event of upstream.open(lastId, () => finished)) {
        const update = event.event.case === "workflowUpdate" ? event.event.value : undefined;
        if (update !== undefined) finished = isTerminal(update.state);
        if (event.eventId > lastId) {
          lastId = event.eventId;
          yield { event, id: lastId };
        } else if (event.eventId === 0n && !(update !== undefined && isSame(update, snapshot))) {
          // Without a resume point, clients of a finished workflow would start afresh for ever.
          const isLast = update !== undefined && finished;
          if (isLast) lastId = await upstream.resumePointAfter(update);
          snapshot = update ?? snapshot;
          yield { event, id: isLast ? lastId : undefined };
        } else {
          continue;
        }
        failures = 0;
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

/** Taken up again before any stored event, a stream starts with its snapshot once more. */
function isSame(update: Workflow, snapshot: Workflow | undefined): boolean {
  return snapshot !== undefined && equals(WorkflowSchema, update, snapshot);
}

/** Whether an error says that the connection was lost, rather than that the request was refused. */
export function isLost(error: unknown): boolean {
  return (
    error instanceof ConnectError &&
    (error.code === Code.Unavailable || error.code === Code.Aborted || error.code === Code.DeadlineExceeded)
  );
}
