import { Code, ConnectError } from "@connectrpc/connect";
import type { components } from "../../generated/openapi/gateway.v1.ts";
import { codeMeaning, retryHeaders } from "./codes.ts";
import { insufficientCreditsFrom } from "./insufficient-credits.ts";
import { internalMessage, HttpError, unauthenticatedHeaders, unauthenticatedMessage } from "./http-error.ts";

/** The HTTP response for an error. */
interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: components["schemas"]["Error"];
}

/** What the response depends on besides the error. */
interface ErrorContext {
  /** Whether the client can repeat the request without the work being done twice. */
  readonly isIdempotent: boolean;
  readonly traceId?: string;
}

/**
 * The one function from any thrown value to an error response. The orchestrator's messages for 4xx pass verbatim. For
 * its 5xx and for unexpected errors, the client gets only the status and a fixed message.
 */
export function errorResponse(error: unknown, { isIdempotent, traceId }: ErrorContext): ErrorResponse {
  const httpError = httpErrorFrom(error);
  const meaning = codeMeaning(httpError.code);
  return {
    status: httpError.status ?? meaning.status,
    headers: {
      ...retryHeaders(httpError.code),
      ...httpError.headers,
    },
    body: {
      code: httpError.reason ?? meaning.name,
      message: httpError.message,
      retryable: meaning.retryable === "when-idempotent" ? isIdempotent : meaning.retryable,
      ...(httpError.violations.length > 0 ? { details: [...httpError.violations] } : {}),
      ...(traceId === undefined ? {} : { trace_id: traceId }),
    },
  };
}

/** An error response for where there is no pipeline; `headers` include those of its body, `text`. */
export function errorText(
  error: unknown,
  context: ErrorContext,
): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly text: string } {
  const { status, headers, body } = errorResponse(error, context);
  const text = JSON.stringify(body);
  return {
    status,
    headers: {
      "Content-Type": "application/json; charset=utf-8",
      "Content-Length": String(Buffer.byteLength(text)),
      "X-Content-Type-Options": "nosniff",
      ...headers,
    },
    text,
  };
}

function httpErrorFrom(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ConnectError) return httpErrorFromUpstream(error);
  return new HttpError(Code.Internal, internalMessage, { cause: error });
}

function httpErrorFromUpstream(error: ConnectError): HttpError {
  const insufficientCredits = insufficientCreditsFrom(error);
  if (insufficientCredits !== undefined) return insufficientCredits;
  // The caller's own data is too large. The platform has not failed.
  if (isTooLargeToReceive(error)) {
    return new HttpError(Code.OutOfRange, `the response would be too large: ${error.rawMessage}`, {
      cause: error,
    });
  }
  if (isMessageTooLarge(error)) return new HttpError(Code.Internal, internalMessage, { cause: error });
  // Every 401 has the same body, whichever call was rejected.
  if (error.code === Code.Unauthenticated) {
    return new HttpError(error.code, unauthenticatedMessage, { headers: unauthenticatedHeaders });
  }
  const message = codeMeaning(error.code).status >= 500 ? internalMessage : error.rawMessage;
  return new HttpError(error.code, message, { cause: error });
}

/** Whether the gateway rejected the message because its length exceeds its own limit. */
function isTooLargeToReceive({ cause }: ConnectError): boolean {
  return cause instanceof Error && cause.name === "MessageTooLarge";
}

/** How connect, grpc-js, grpc-go, grpc-java, C++ and tonic report a message above their limit. */
const tooLargeTexts = [
  /message (?:size|length)/i,
  /message (?:is )?(?:larger|exceeds|too large)/i,
  /after decompression/i,
  /(?:decompresses to|with) a size larger/i,
  /exceeds maximum size/i,
];

/**
 * gRPC libraries report a message above their limit as RESOURCE_EXHAUSTED (tonic: OUT_OF_RANGE), which a client would
 * take for an exhausted quota. Only the text distinguishes the two.
 */
function isMessageTooLarge({ code, rawMessage }: ConnectError): boolean {
  if (code !== Code.ResourceExhausted && code !== Code.OutOfRange) return false;
  return tooLargeTexts.some((text) => text.test(rawMessage));
}
