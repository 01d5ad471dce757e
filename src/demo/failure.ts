/** The properties of a failure. */
interface FailureOptions extends ErrorOptions {
  /** Whether the same request may succeed later; false by default. */
  readonly retryable?: boolean;
  /** Milliseconds to wait before that, from Retry-After. */
  readonly retryAfterMs?: number | undefined;
}

/** A failure that a user understands: its message is the one line to show. */
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
