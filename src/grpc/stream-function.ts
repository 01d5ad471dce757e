import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import { readOptionsOf } from "./transport.ts";
import { requestOf } from "./messages.ts";
import type { MetadataInit } from "./request-headers.ts";
import { ServerStream } from "./server-stream.ts";
import type { GrpcTransportOptions } from "./transport.ts";

/** What the function takes of Connect's call options. */
interface StreamCallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly headers?: MetadataInit;
  readonly contextValues?: ContextValues;
}

/**
 * A client's function for one server-streaming method. Unlike Connect's own it puts no generator around the
 * stream, so that an open one holds little memory, and leaving the messages early cancels the call; the call
 * begins when they are iterated.
 */
export function serverStreamFunction<I extends DescMessage, O extends DescMessage>(
  options: GrpcTransportOptions,
  method: DescMethodServerStreaming<I, O>,
): (input: MessageInitShape<I>, options?: StreamCallOptions) => AsyncIterable<MessageShape<O>> {
  const { connection, pathPrefix } = options;
  return (input, { signal, timeoutMs, headers: metadata, contextValues } = {}) => ({
    [Symbol.asyncIterator]() {
      const request = requestOf(pathPrefix, method, input, { signal, timeoutMs, metadata });
      const readOptions = contextValues === undefined ? options : readOptionsOf(contextValues, options);
      return new ServerStream(connection, request, { ...readOptions, output: method.output });
    },
  });
}
