import { errorCodes } from "./session.ts";
import type { StreamEnd } from "./session.ts";

/** What the earlier attempts of a call have come to. */
export interface RetryHistory {
  attempts: number;
  /** Attempts that the server may have processed. */
  losses: number;
  /** Whether the server has turned away an attempt. */
  wasTurnedAway: boolean;
}

/** An attempt that has brought no status. */
interface LostAttempt {
  readonly end: StreamEnd;
  readonly hasHeaders: boolean;
  /** Whether the server does no work twice when it receives the call twice. */
  readonly isIdempotent: boolean;
  /** How often the call is sent at most. */
  readonly maxAttempts: number;
}

export type RetryDecision = "give-up" | "retry" | "retry-on-own-session";

/** How often a call may be lost that a server may have processed: one that harms servers is not to reach them all. */
const maxLosses = 4;

/**
 * Decides whether a call is retried that was lost, and notes the attempt in `history`. The two ways are those of gRFC A6
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md):
 * - Transparent retry: the server has not processed the call, so that any call is retried.
 * - Retry policy: the server may have processed it, so that only idempotent calls are retried, without a wait.
 *
 * A call that may have broken its session is retried on a session of its own, and one that certainly has is not.
 */
export function decideRetry(history: RetryHistory, attempt: LostAttempt): RetryDecision {
  const { end, isIdempotent, maxAttempts } = attempt;
  if (end.kind === "session-broken" && end.isOnlyStream) return "give-up";
  if (!isTransparent(end)) {
    history.losses += 1;
    if (!isIdempotent || history.losses >= maxLosses) return "give-up";
  }
  if (isTurnedAway(attempt) && !history.wasTurnedAway) {
    // The second one may be the session's fault, which is replaced then: this attempt does not count.
    history.wasTurnedAway = true;
  } else {
    if (history.attempts >= maxAttempts) return "give-up";
    history.attempts += 1;
  }
  return end.kind === "session-broken" ? "retry-on-own-session" : "retry";
}

function isTransparent({ kind }: StreamEnd): boolean {
  return kind === "not-sent" || kind === "refused";
}

/** Whether the server took no notice of the call. ENHANCE_YOUR_CALM does not say that it was not processed. */
function isTurnedAway({ end, hasHeaders }: LostAttempt): boolean {
  return !hasHeaders && (end.kind === "refused" || end.code === errorCodes.enhanceYourCalm);
}
