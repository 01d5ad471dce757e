import { Code, ConnectError } from "@connectrpc/connect";
import type { Interceptor } from "@connectrpc/connect";

/**
 * Makes a lost connection Unavailable. The transport reports it as Canceled, which is right only where this
 * side has cancelled, or as a broken protocol.
 */
export const lostConnection: Interceptor = function lostConnection(next) {
  return async (request) => {
    const reasonOf = (error: unknown) => {
      const reason = ConnectError.from(error);
      if (request.signal.aborted || isAnswer(reason) || !isLoss(reason)) return reason;
      return new ConnectError(reason.rawMessage, Code.Unavailable, reason.metadata, undefined, reason);
    };
    const response = await next(request).catch((error: unknown) => {
      throw reasonOf(error);
    });
    return response.stream ? { ...response, message: translateErrors(response.message, reasonOf) } : response;
  };
};

/** Whether an error is one of those that the transport makes of a connection, or of a stream in it, that was lost. */
function isLoss({ code, rawMessage, cause }: ConnectError): boolean {
  if (code === Code.Canceled) return true;
  const causeCode = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return code === Code.Internal && (causeCode.startsWith("ERR_HTTP2") || /missing status/.test(rawMessage));
}

/** Whether the server itself has answered with this error: then its trailers are there. */
function isAnswer({ metadata }: ConnectError): boolean {
  return metadata.has("grpc-status");
}

async function* translateErrors<T>(messages: AsyncIterable<T>, translate: (error: unknown) => Error) {
  try {
    yield* messages;
  } catch (error) {
    throw translate(error);
  }
}
