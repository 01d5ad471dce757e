/** What else is known about a failure. */
interface FailureOptions extends ErrorOptions {
  /** Whether the same request may succeed later; false unless it is said. */
  readonly retryable?: boolean;
  /** Milliseconds to wait before that, where the gateway says so. */
  readonly retryAfterMs?: number | undefined;
}

/** A failure that a user can understand: its message is the one line to show. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { retryable = false, retryAfterMs, ...options }: FailureOptions = {}) {
    super(message, options);
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}
