import { setTimeout as delay } from "node:timers/promises";
import type { Revalidation } from "../auth/authenticator.ts";
import { unauthenticated, unavailable } from "../errors/http-error.ts";
import { isTerminal } from "../mapping/job-state.ts";
import type { RequestCallOptions } from "../orchestrator/call-options.ts";
import type { OrchestratorClient } from "../orchestrator/client.ts";
import { isRetryable } from "./retry-policy.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { StreamRegistry } from "./stream-registry.ts";
import { openUpstreamStream } from "./upstream-stream.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

interface AwaitOptions {
  readonly orchestrator: OrchestratorClient;
  readonly streams: StreamRegistry;
  readonly retryPolicy: RetryPolicy;
  /** Checks during the wait whether the caller is still allowed; undefined if that cannot change. */
  readonly revalidation: Revalidation | undefined;
  /** The maximum wait, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Resolves when the events of `workflowId` show a terminal state, when `maxMs` have passed, or when the gateway aborts
 * its streams, such as in a drain: the wait is registered as a stream. Opens another stream when one is lost. Rejects
 * with the orchestrator's other errors, with 401 when the caller is no longer allowed, and with 503 when that is not
 * known.
 */
export async function awaitTerminal(
  workflowId: string,
  call: RequestCallOptions,
  { orchestrator, streams, retryPolicy, revalidation, maxMs }: AwaitOptions,
): Promise<void> {
  const aborted = new AbortController();
  const bound = AbortSignal.any([aborted.signal, AbortSignal.timeout(maxMs)]);
  const signal = AbortSignal.any([call.signal, bound]);
  const openStream = () => openUpstreamStream(orchestrator, workflowId, 0n, { ...call, signal });
  const stream = { heartbeat: () => undefined, abort: () => aborted.abort() };
  const registration = streams.add(stream, revalidation);
  try {
    await untilTerminal(openStream, retryPolicy, signal);
  } catch (error) {
    if (call.signal.aborted || !bound.aborted) throw error;
  } finally {
    registration[Symbol.dispose]();
  }
  // The wait may be over because the key was revoked, and the next read would not notice.
  const isStillValid = await revalidation?.isStillValid().catch((error: unknown) => {
    throw unavailable(error);
  });
  if (isStillValid === false) throw unauthenticated();
}

/** Resolves when a stream shows a terminal state. Each stream begins with a snapshot; no resume is needed. */
async function untilTerminal(
  openStream: () => UpstreamStream,
  { backoffMs }: RetryPolicy,
  signal: AbortSignal,
): Promise<void> {
  for (let retries = 0; ; retries += 1) {
    try {
      await using stream = openStream();
      for (;;) {
        using event = await stream.next();
        if (event === undefined) break;
        // A snapshot does not count: a stream without events begins with one, too.
        if (event.eventId > 0n) retries = 0;
        if (event.update !== undefined && isTerminal(event.update.state)) return;
      }
    } catch (error) {
      if (!isRetryable(error)) throw error;
    }
    await delay(backoffMs(retries), undefined, { signal });
  }
}
