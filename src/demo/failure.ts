/** The properties of a failure. */
interface FailureOptions extends ErrorOptions {
  /** Whether the same request may succeed later; false by default. */
  readonly retryable?: boolean;
  /** Milliseconds to wait before that, from Retry-After. */
  readonly retryAfterMs?: number | undefined;
  /** The code of an error body. */
  readonly code?: string | undefined;
  /** The violations of a request. */
  readonly details?: readonly Violation[] | undefined;
}

/** One reason why a request is invalid. */
interface Violation {
  readonly path: string;
  readonly message: string;
}

/** A failure that a user understands: its message is the one line to show, and each of its details one more. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly code: string | undefined;
  readonly details: readonly Violation[];

  constructor(
    message: string,
    { retryable = false, retryAfterMs, code, details = [], ...options }: FailureOptions = {},
  ) {
    super(message, options);
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
    this.code = code;
    this.details = details;
  }
}
