/** What the body of an error says, besides its message: https://docs.stripe.com/api/errors. */
export interface StripeErrorFields {
  readonly type: "api_error" | "idempotency_error" | "invalid_request_error";
  readonly code?: string;
  /** The parameter at fault, such as `line_items[0][quantity]`. */
  readonly param?: string;
}

/** An error that a client receives. */
export class StripeError extends Error {
  override readonly name = "StripeError";
  readonly status: number;
  readonly fields: StripeErrorFields;

  constructor(
    status: number,
    message: string,
    fields: StripeErrorFields = { type: "invalid_request_error" },
  ) {
    super(message);
    this.status = status;
    this.fields = fields;
  }

  /** The body of its response. */
  toJSON(): unknown {
    return { error: { ...this.fields, message: this.message } };
  }
}

/** A parameter that is missing, unknown or not valid. */
export function parameterError(param: string, message: string, code?: string): StripeError {
  const fields = { type: "invalid_request_error", param } as const;
  return new StripeError(400, message, code === undefined ? fields : { ...fields, code });
}
