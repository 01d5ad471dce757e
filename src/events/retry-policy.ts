import { Code, ConnectError } from "@connectrpc/connect";

/** When the gateway replaces an event stream of the orchestrator that was lost or ended early. */
export interface RetryPolicy {
  /** The maximum number of retries in a row without an event. */
  readonly maxRetries: number;
  /** Wait before the retry `n`, counted from 0, in milliseconds. */
  readonly backoffMs: (n: number) => number;
  /** The timeout for an event when the last one may already have been sent, in milliseconds. */
  readonly idleTimeoutMs: number;
}

/** Backs off 0.1 s, doubling to 5 s, of which up to half is jitter: gives up after 11 to 21 s. */
export const defaultRetryPolicy: RetryPolicy = {
  maxRetries: 9,
  backoffMs: (n) => Math.min(5000, 100 * 2 ** n) * (0.5 + Math.random() / 2),
  idleTimeoutMs: 500,
};

/** Whether `error` reports that the stream was lost, rather than that the request was rejected. */
export function isRetryable(error: unknown): boolean {
  return (
    error instanceof ConnectError &&
    (error.code === Code.Unavailable || error.code === Code.Aborted || error.code === Code.DeadlineExceeded)
  );
}
