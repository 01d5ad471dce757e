import { Code, ConnectError } from "@connectrpc/connect";
import type { Interceptor } from "@connectrpc/connect";

/**
 * Makes a lost connection Unavailable. The transport reports it as Canceled, which is right only where this
 * side has cancelled; what nobody here cancelled was lost.
 */
export const lostConnection: Interceptor = function lostConnection(next) {
  return async (request) => {
    const reasonOf = (error: unknown) => {
      const reason = ConnectError.from(error);
      if (reason.code !== Code.Canceled || request.signal.aborted || isAnswer(reason)) return reason;
      return new ConnectError(reason.rawMessage, Code.Unavailable, reason.metadata, undefined, reason);
    };
    const response = await next(request).catch((error: unknown) => {
      throw reasonOf(error);
    });
    return response.stream ? { ...response, message: translateErrors(response.message, reasonOf) } : response;
  };
};

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
