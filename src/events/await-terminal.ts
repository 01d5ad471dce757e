import { setTimeout as delay } from "node:timers/promises";
import type { Revalidation } from "../auth/authenticator.ts";
import { unauthenticated, unavailable } from "../errors/http-error.ts";
import type { Call } from "../http/stages.ts";
import { isTerminal } from "../mapping/job-state.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { createEventStreams } from "./upstream-stream.ts";
import type { RunStream } from "./upstream-stream.ts";
import { isRetryable } from "./retry-policy.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { StreamRegistry } from "./stream-registry.ts";

/** How the end of a workflow is waited for. */
interface AwaitOptions {
  readonly orchestrator: OrchestratorClient;
  readonly streams: StreamRegistry;
  readonly retryPolicy: RetryPolicy;
  /** The caller's right to go on, which is checked again; undefined where it cannot be lost. */
  readonly revalidation: Revalidation | undefined;
  /** Longest wait, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Resolves when the events of `workflowId` show it as terminal, when `maxMs` have gone by, or when the gateway cuts its
 * streams, of which this is one. Events that are lost are asked for again, as long as there is time. Rejects when
 * they are refused; with the one 401 when the caller may not go on, and with 503 when nobody can tell.
 */
export async function awaitTerminal(
  workflowId: string,
  call: Call,
  { orchestrator, streams, retryPolicy, revalidation, maxMs }: AwaitOptions,
): Promise<void> {
  const cut = new AbortController();
  const enough = AbortSignal.any([cut.signal, AbortSignal.timeout(maxMs)]);
  const signal = AbortSignal.any([call.signal, enough]);
  const forget = streams.add({ heartbeat: () => undefined, abort: () => cut.abort() }, revalidation);
  try {
    await followToEnd(createEventStreams(orchestrator, workflowId, { ...call, signal }), retryPolicy, signal);
  } catch (error) {
    if (call.signal.aborted || !enough.aborted) throw error;
  } finally {
    forget();
  }
  // A revoked key may be why the wait is over, and has come to its end in any case.
  const isStillValid = await revalidation?.isStillValid().catch((error: unknown) => {
    throw unavailable(error);
  });
  if (isStillValid === false) throw unauthenticated();
}

/** Resolves when a stream has shown a terminal state. Each one begins with a snapshot, so that none needs the last. */
async function followToEnd(run: RunStream, { backoffMs }: RetryPolicy, signal: AbortSignal): Promise<void> {
  for (let failures = 0; ; failures += 1) {
    const isOver = await showsEnd(run, () => (failures = 0)).catch((error: unknown) => {
      if (isRetryable(error)) return false;
      throw error;
    });
    if (isOver) return;
    await delay(backoffMs(failures), undefined, { signal });
  }
}

/** Whether one stream shows a terminal state before it ends; `heard` is called for each stored event. */
async function showsEnd(run: RunStream, heard: () => void): Promise<boolean> {
  let isOver = false;
  await run(
    0n,
    (next) => next,
    ({ event, eventId }) => {
      // Every stream begins with a snapshot, those too that bring no more.
      if (eventId > 0n) heard();
      isOver = event.case === "workflowUpdate" && isTerminal(event.value.state);
      return Promise.resolve(!isOver);
    },
  );
  return isOver;
}
