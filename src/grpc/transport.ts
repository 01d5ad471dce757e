import type { MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import type { ContextValues, Transport } from "@connectrpc/connect";
import type { GrpcConnection } from "./session-pool.ts";
import { requestOf } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import type { MetadataInit } from "./request-headers.ts";
import { GrpcResponse } from "./response.ts";
import { ServerStream } from "./server-stream.ts";
import { callUnary } from "./unary.ts";
import type { MessageMemory } from "./message-memory.ts";

/** What a transport needs. */
export interface GrpcTransportOptions extends ReadOptions {
  readonly connection: GrpcConnection;
  /** The path of the endpoint, which comes before every method's path. */
  readonly pathPrefix: string;
}

/** How one call reads what it receives; a size or memory that is left out is the transport's own. */
interface CallReadOptions {
  /** The largest message that it accepts, in bytes; less than the transport's own. */
  readonly readMaxBytes?: number | undefined;
  readonly memory?: MessageMemory | undefined;
  readonly owner?: string | undefined;
}

const callReadOptions = createContextKey<CallReadOptions>({});

/** The context of a call that reads what it receives as `options` say, and else as the options in `context`. */
export function readingContext(options: CallReadOptions, context?: ContextValues): ContextValues {
  return createContextValues().set(callReadOptions, { ...context?.get(callReadOptions), ...options });
}

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
  const {
    readMaxBytes = options.readMaxBytes,
    memory = options.memory,
    owner,
  } = contextValues.get(callReadOptions);
  return { ...options, readMaxBytes, memory, owner };
}

async function firstOf<T>(inputs: AsyncIterable<T>): Promise<T> {
  for await (const input of inputs) return input;
  throw new ConnectError("the request message is missing", Code.Unimplemented);
}
