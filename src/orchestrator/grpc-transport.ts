import { Code, ConnectError } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import type { GrpcConnection } from "./grpc-connection.ts";
import { requestOf } from "./grpc-messages.ts";
import type { MetadataInit } from "./grpc-request.ts";
import { GrpcResponse } from "./grpc-response.ts";
import { ServerStream } from "./grpc-server-stream.ts";
import { callUnary } from "./grpc-unary.ts";

/** What a transport needs. */
export interface GrpcTransportOptions {
  readonly connection: GrpcConnection;
  /** The path of the endpoint, which comes before every method's path. */
  readonly pathPrefix: string;
  /** The largest message that is accepted, in bytes. */
  readonly readMaxBytes: number;
}

/**
 * A Connect transport for unary and server-streaming gRPC calls with protobuf messages, uncompressed. It knows
 * no interceptors and no context values. Calls that stream requests are Unimplemented.
 */
export function createGrpcTransport({
  connection,
  pathPrefix,
  readMaxBytes,
}: GrpcTransportOptions): Transport {
  return {
    async unary(method, signal, timeoutMs, metadata: MetadataInit | undefined, input) {
      const request = requestOf(pathPrefix, method, input, { signal, timeoutMs, metadata });
      const { message, call } = await callUnary(connection, request, method.output, readMaxBytes);
      return new GrpcResponse(false, method, message, call);
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
        const options = { output: method.output, maxBytes: readMaxBytes, onBegun };
        const messages = new ServerStream(connection, request, options);
      });
    },
  };
}

async function firstOf<T>(inputs: AsyncIterable<T>): Promise<T> {
  for await (const input of inputs) return input;
  throw new ConnectError("the request message is missing", Code.Unimplemented);
}
