import { errorCode } from "./http2/index.ts";
import type { StreamEnd } from "./http2/index.ts";

/** The earlier attempts of a call. */
export interface RetryHistory {
  /** The number of attempts. The first one that a server refuses is not counted. */
  readonly attempts: number;
  /** Attempts that the server may have processed. */
  readonly possiblyProcessed: number;
  /** Whether the server has refused an attempt. */
  readonly wasRefused: boolean;
}

export const firstAttempt: RetryHistory = { attempts: 1, possiblyProcessed: 0, wasRefused: false };

/** An attempt that ended without a status, or with a CANCELLED that this side has not caused (`Call.onClosed`). */
interface FailedAttempt {
  /** How its stream ended; `http2/connection.ts` decides on the kind. */
  readonly end: StreamEnd;
  readonly hasHeaders: boolean;
  /** Whether the method's `idempotency_level` is NO_SIDE_EFFECTS (`messages.ts`). */
  readonly hasNoSideEffects: boolean;
  /** The maximum number of attempts, by the number of servers (`channel.ts`); the first refused one is not counted. */
  readonly maxAttempts: number;
}

interface Retry {
  /** The history of the call with the failed attempt. */
  readonly history: RetryHistory;
  readonly onDedicatedSession: boolean;
}

/** The maximum number of attempts that servers may have processed: a call that crashes servers must not reach all. */
const maxPossiblyProcessed = 4;

/**
 * Decides whether a call is retried after a failed attempt; undefined if not. gRFC A6 has two kinds of retries
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md):
 * - Transparent retry: the server has not processed the call. Every call is retried.
 * - Retry policy: the server may have processed the call. Only calls without side effects are retried, without a backoff.
 *
 * A call that may have broken its session is retried on a dedicated session. A call that certainly did is not retried.
 */
export function decideRetry(history: RetryHistory, attempt: FailedAttempt): Retry | undefined {
  const { end, hasHeaders, hasNoSideEffects, maxAttempts } = attempt;
  let { attempts, possiblyProcessed, wasRefused } = history;
  if (end.kind === "invalid" || (end.kind === "session-broken" && end.isOnlyStream)) return undefined;
  if (!isTransparent(end)) {
    possiblyProcessed += 1;
    if (!hasNoSideEffects || possiblyProcessed >= maxPossiblyProcessed) return undefined;
  }
  if (!wasRefused && !hasHeaders && isRefused(end)) {
    // Not counted: a server may refuse every stream of one session, which is replaced after the second refusal.
    wasRefused = true;
  } else {
    if (attempts >= maxAttempts) return undefined;
    attempts += 1;
  }
  return {
    history: { attempts, possiblyProcessed, wasRefused },
    onDedicatedSession: end.kind === "session-broken",
  };
}

function isTransparent({ kind }: StreamEnd): boolean {
  return kind === "not-sent" || kind === "refused";
}

/** Whether the server refused a stream. ENHANCE_YOUR_CALM does not say that the request was not processed. */
export function isRefused({ kind, code }: StreamEnd): boolean {
  return kind === "refused" || (kind === "reset" && code === errorCode.enhanceYourCalm);
}
