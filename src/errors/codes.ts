import { Code } from "@connectrpc/connect";

/** The codes of error bodies, as the contract lists them. */
type ErrorCode =
  | "INVALID_ARGUMENT"
  | "FAILED_PRECONDITION"
  | "OUT_OF_RANGE"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "ABORTED"
  | "RESOURCE_EXHAUSTED"
  | "UNIMPLEMENTED"
  | "UNAVAILABLE"
  | "DEADLINE_EXCEEDED"
  | "INTERNAL";

/** The HTTP response for a gRPC code. `retryable: "when-idempotent"` means true only for an idempotent request. */
interface CodeMeaning {
  readonly name: ErrorCode;
  readonly status: number;
  readonly retryable: boolean | "when-idempotent";
  /** Seconds for `Retry-After`; absent if waiting does not help. */
  readonly retryAfterSeconds?: number;
}

const internal = { name: "INTERNAL", status: 500, retryable: false } as const;

/**
 * The one table from gRPC code to HTTP response. Canceled, Unknown and DataLoss mean nothing specific to a client and
 * get the response of Internal.
 */
const meanings = {
  [Code.InvalidArgument]: { name: "INVALID_ARGUMENT", status: 400, retryable: false },
  [Code.FailedPrecondition]: { name: "FAILED_PRECONDITION", status: 400, retryable: false },
  [Code.OutOfRange]: { name: "OUT_OF_RANGE", status: 400, retryable: false },
  [Code.Unauthenticated]: { name: "UNAUTHENTICATED", status: 401, retryable: false },
  [Code.PermissionDenied]: { name: "PERMISSION_DENIED", status: 403, retryable: false },
  [Code.NotFound]: { name: "NOT_FOUND", status: 404, retryable: false },
  [Code.AlreadyExists]: { name: "ALREADY_EXISTS", status: 409, retryable: false },
  [Code.Aborted]: { name: "ABORTED", status: 409, retryable: true },
  [Code.ResourceExhausted]: {
    name: "RESOURCE_EXHAUSTED",
    status: 429,
    retryable: true,
    retryAfterSeconds: 60,
  },
  [Code.Unimplemented]: { name: "UNIMPLEMENTED", status: 501, retryable: false },
  [Code.Unavailable]: { name: "UNAVAILABLE", status: 503, retryable: true, retryAfterSeconds: 2 },
  [Code.DeadlineExceeded]: { name: "DEADLINE_EXCEEDED", status: 504, retryable: "when-idempotent" },
  [Code.Canceled]: internal,
  [Code.Unknown]: internal,
  [Code.Internal]: internal,
  [Code.DataLoss]: internal,
} satisfies Record<Code, CodeMeaning>;

/** The HTTP meaning of a gRPC code. A code that gRPC does not define means Internal. */
export function codeMeaning(code: Code): CodeMeaning {
  const known: Partial<Record<number, CodeMeaning>> = meanings;
  return known[code] ?? internal;
}

/** The header `Retry-After` for a code; no header if waiting does not help. */
export function retryHeaders(code: Code): Readonly<Record<string, string>> {
  const { retryAfterSeconds } = codeMeaning(code);
  return retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) };
}
