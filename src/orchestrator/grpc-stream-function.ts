import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { requestOf } from "./grpc-messages.ts";
import type { MetadataInit } from "./grpc-request.ts";
import { ServerStream } from "./grpc-server-stream.ts";
import type { GrpcTransportOptions } from "./grpc-transport.ts";

/** What the function takes of Connect's call options. */
interface StreamCallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly headers?: MetadataInit;
}

/**
 * A client's function for one server-streaming method. Unlike Connect's own it puts no generator around the
 * stream, so that an open one holds little memory, and leaving the messages early cancels the call; the call
 * begins when they are iterated.
 */
export function serverStreamFunction<I extends DescMessage, O extends DescMessage>(
  { connection, pathPrefix, readMaxBytes }: GrpcTransportOptions,
  method: DescMethodServerStreaming<I, O>,
): (input: MessageInitShape<I>, options?: StreamCallOptions) => AsyncIterable<MessageShape<O>> {
  return (input, { signal, timeoutMs, headers: metadata } = {}) => ({
    [Symbol.asyncIterator]() {
      const request = requestOf(pathPrefix, method, input, { signal, timeoutMs, metadata });
      return new ServerStream(connection, request, { output: method.output, maxBytes: readMaxBytes });
    },
  });
}
