import { Code, ConnectError } from "@connectrpc/connect";

/** How the gateway opens an event stream of the orchestrator again that was lost or ended early. */
export interface RetryPolicy {
  /** Retries in a row without an event, before it gives up. */
  readonly maxRetries: number;
  /** Wait before the retry `n`, counted from 0, in milliseconds. */
  readonly backoffMs: (n: number) => number;
  /** Longest wait for another event after the last one that is expected, in milliseconds. */
  readonly idleTimeoutMs: number;
}

/** Backs off 0.1 s, doubling to 5 s, with up to half of it as jitter: gives up after about 20 s. */
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
