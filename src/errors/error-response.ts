import { Code, ConnectError } from "@connectrpc/connect";
import type { components } from "../../generated/openapi/gateway.v1.ts";
import { codeMeaning } from "./codes.ts";
import { internalMessage, HttpError, unauthenticatedHeaders, unauthenticatedMessage } from "./http-error.ts";

/** An error as HTTP sends it. */
interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: components["schemas"]["Error"];
}

/** What an answer depends on beside the error. */
interface ErrorContext {
  /** Whether the request may be repeated without doing its work twice. */
  readonly safeToRepeat: boolean;
  readonly traceId?: string;
}

/**
 * The one way from anything thrown to an error answer. The orchestrator's 4xx messages pass verbatim; of
 * its 5xx, and of anything not foreseen, the client learns nothing but the status.
 */
export function errorResponse(error: unknown, { safeToRepeat, traceId }: ErrorContext): ErrorResponse {
  const refusal = httpErrorFrom(error);
  const meaning = codeMeaning(refusal.code);
  return {
    status: refusal.status ?? meaning.status,
    headers: {
      ...(meaning.retryAfterSeconds === undefined
        ? {}
        : { "Retry-After": String(meaning.retryAfterSeconds) }),
      ...refusal.headers,
    },
    body: {
      code: meaning.name,
      message: refusal.message,
      retryable: meaning.retryable === "when-safe" ? safeToRepeat : meaning.retryable,
      ...(refusal.violations.length > 0 ? { details: [...refusal.violations] } : {}),
      ...(traceId === undefined ? {} : { trace_id: traceId }),
    },
  };
}

function httpErrorFrom(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ConnectError) return httpErrorFromUpstream(error);
  return new HttpError(Code.Internal, internalMessage, { cause: error });
}

function httpErrorFromUpstream(error: ConnectError): HttpError {
  // The size of one's own data is no failure of the platform.
  if (isTooLargeToReceive(error)) {
    return new HttpError(Code.OutOfRange, `the response would be too large: ${error.rawMessage}`, {
      cause: error,
    });
  }
  if (isMessageTooLarge(error)) return new HttpError(Code.Internal, internalMessage, { cause: error });
  // Which call was refused says nothing to a client; every 401 has one body.
  if (error.code === Code.Unauthenticated) {
    return new HttpError(error.code, unauthenticatedMessage, { headers: unauthenticatedHeaders });
  }
  const message = codeMeaning(error.code).status >= 500 ? internalMessage : error.rawMessage;
  return new HttpError(error.code, message, { cause: error });
}

/** Whether a message was not received, since its length is more than the gateway accepts. */
function isTooLargeToReceive({ cause }: ConnectError): boolean {
  return cause instanceof Error && cause.name === "MessageTooLarge";
}

/** How connect, grpc-js, grpc-go, grpc-java, C++ and tonic say that a message is over their limit. */
const tooLargeTexts = [
  /message (?:size|length)/i,
  /message (?:is )?(?:larger|exceeds|too large)/i,
  /after decompression/i,
  /(?:decompresses to|with) a size larger/i,
  /exceeds maximum size/i,
];

/**
 * gRPC libraries report a message over their limit as RESOURCE_EXHAUSTED (tonic: OUT_OF_RANGE), which would
 * read as an exhausted quota. Only the text tells them apart.
 */
function isMessageTooLarge({ code, rawMessage }: ConnectError): boolean {
  if (code !== Code.ResourceExhausted && code !== Code.OutOfRange) return false;
  return tooLargeTexts.some((text) => text.test(rawMessage));
}
