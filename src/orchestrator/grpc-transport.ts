import type { MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextKey } from "@connectrpc/connect";
import type { ContextValues, Transport } from "@connectrpc/connect";
import type { GrpcConnection } from "./grpc-connection.ts";
import { requestOf } from "./grpc-messages.ts";
import type { ReadOptions } from "./grpc-messages.ts";
import type { MetadataInit } from "./grpc-request.ts";
import { GrpcResponse } from "./grpc-response.ts";
import { ServerStream } from "./grpc-server-stream.ts";
import { callUnary } from "./grpc-unary.ts";
import type { MessageMemory } from "./message-memory.ts";

/** What a transport needs. */
export interface GrpcTransportOptions extends ReadOptions {
  readonly connection: GrpcConnection;
  /** The path of the endpoint, which comes before every method's path. */
  readonly pathPrefix: string;
}

/** In a call's context: the memory for what this call receives, in the place of the transport's own. */
export const memoryKey = createContextKey<MessageMemory | undefined>(undefined);

/** In a call's context: the largest message that this call accepts, in bytes; less than the transport's own. */
export const readMaxBytesKey = createContextKey<number | undefined>(undefined);

/**
 * A Connect transport for unary and server-streaming gRPC calls with protobuf messages; requests are uncompressed. It
 * knows no interceptors. Calls that stream requests are Unimplemented.
 */
export function createGrpcTransport(options: GrpcTransportOptions): Transport {
  const { connection, pathPrefix } = options;
  return {
    async unary(method, signal, timeoutMs, metadata: MetadataInit | undefined, input, contextValues) {
      const request = requestOf(pathPrefix, method, input, { signal, timeoutMs, metadata });
      const readOptions = contextValues === undefined ? options : readOptionsOf(contextValues, options);
      const { message, call } = await callUnary(connection, request, method.output, readOptions);
      // The method's output, or the same encoded: what the transport was told to give.
      return new GrpcResponse(false, method, message as MessageShape<typeof method.output>, call);
    },
    async stream(method, signal, timeoutMs, metadata: MetadataInit | undefined, inputs) {
      if (method.methodKind !== "server_streaming") {
        throw new ConnectError(`${method.methodKind} calls are not supported`, Code.Unimplemented);
      }
      const request = requestOf(pathPrefix, method, await firstOf(inputs), { signal, timeoutMs, metadata });
      return new Promise((resolve, reject) => {
        const onBegun = (error?: ConnectError) => {
          if (error === undefined) resolve(new GrpcResponse(true, method, messages, messages.call));
          else reject(error);
        };
        const messages = new ServerStream<MessageShape<typeof method.output>>(connection, request, {
          ...options,
          output: method.output,
          onBegun,
        });
      });
    },
  };
}

/** How a call reads what it receives: as its context says, else as its transport does. */
export function readOptionsOf(contextValues: ContextValues, options: ReadOptions): ReadOptions {
  return {
    ...options,
    readMaxBytes: contextValues.get(readMaxBytesKey) ?? options.readMaxBytes,
    memory: contextValues.get(memoryKey) ?? options.memory,
  };
}

async function firstOf<T>(inputs: AsyncIterable<T>): Promise<T> {
  for await (const input of inputs) return input;
  throw new ConnectError("the request message is missing", Code.Unimplemented);
}
