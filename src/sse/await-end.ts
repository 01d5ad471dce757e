import { unauthenticated, unavailable } from "../errors/refusal.ts";
import type { Call } from "../locals.ts";
import { isTerminal } from "../mapping/job-state.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { createEventUpstream } from "./event-upstream.ts";
import { followWorkflow } from "./follow-workflow.ts";
import type { EventClient, Patience } from "./follow-workflow.ts";
import type { Follower, OpenStreams } from "./open-streams.ts";

/** How the end of a workflow is waited for. */
interface AwaitOptions {
  readonly orchestrator: OrchestratorClient;
  readonly streams: OpenStreams;
  readonly patience: Patience;
  /** Whose right to follow is checked again; undefined where it cannot be lost. */
  readonly follower: Follower | undefined;
  /** Longest wait, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Resolves when the events of `workflowId` show it as terminal, when `maxMs` have gone by, or when the gateway closes
 * its streams, of which this is one. Rejects as following does; with the one 401 when the follower may not follow any
 * more, and with 503 when nobody can tell.
 */
export async function awaitEnd(
  workflowId: string,
  call: Call,
  { orchestrator, streams, patience, follower, maxMs }: AwaitOptions,
): Promise<void> {
  const enough = new AbortController();
  const stop = () => enough.abort();
  const following: Call = { ...call, signal: AbortSignal.any([call.signal, enough.signal]) };
  const upstream = createEventUpstream(orchestrator, workflowId, following, patience.lingerMs);
  const client: EventClient = {
    // Nobody but this function waits for the answer: a stream that is lost is taken up again.
    isEstablished: true,
    establish: () => undefined,
    send({ event: { event } }) {
      if (event.case === "workflowUpdate" && isTerminal(event.value.state)) stop();
      return Promise.resolve();
    },
  };
  const forget = streams.add({ beat: () => undefined, cut: stop }, follower);
  const timer = setTimeout(stop, maxMs);
  try {
    await followWorkflow(upstream, 0n, client, patience);
  } catch (error) {
    if (!enough.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    forget();
  }
  // A revoked key may be why the wait is over, and has come to its end in any case.
  const isStillAllowed = await follower?.isStillAllowed().catch((error: unknown) => {
    throw unavailable(error);
  });
  if (isStillAllowed === false) throw unauthenticated();
}
