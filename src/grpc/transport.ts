import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import { createRequest } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import type { MessageMemory } from "./message-memory.ts";
import { headersFrom } from "./metadata.ts";
import type { MetadataInit } from "./metadata.ts";
import { observeCall } from "./observer.ts";
import type { CallObserver } from "./observer.ts";
import { ServerStream } from "./server-stream.ts";
import type { StreamOpener } from "./session.ts";
import { codeNameOf } from "./status.ts";
import { callUnary } from "./unary.ts";

export interface GrpcTransportOptions extends ReadOptions {
  /** A channel's `calls` or `streams`. */
  readonly opener: StreamOpener;
  /** The path of the endpoint, which precedes every method's path. */
  readonly pathPrefix: string;
  readonly observers?: readonly CallObserver[] | undefined;
}

/** How one call reads its responses; the transport's options are the defaults. */
interface CallReadOptions {
  /** The largest message that the call accepts, in bytes; at most that of the transport. */
  readonly readMaxBytes?: number | undefined;
  readonly memory?: MessageMemory | undefined;
  readonly owner?: string | undefined;
}

const callReadOptions = createContextKey<CallReadOptions>({});

/** Returns a copy of `context` with `options` for reading the responses of a call. */
export function withReadOptions(options: CallReadOptions, context = createContextValues()): ContextValues {
  // Connect's context values are properties of the object.
  const copy = Object.assign(createContextValues(), context);
  return copy.set(callReadOptions, { ...context.get(callReadOptions), ...options });
}

/** A Connect transport for unary gRPC calls with protobuf messages and uncompressed requests, without interceptors. */
export function createGrpcTransport(options: GrpcTransportOptions): Transport {
  const { opener, pathPrefix, observers } = options;
  return {
    async unary(method, signal, timeoutMs, given: MetadataInit | undefined, input, contextValues) {
      const { metadata, ended } = observeCall(observers, method, given, contextValues);
      try {
        const request = createRequest(pathPrefix, method, input, { signal, timeoutMs, metadata });
        const readOptions = contextValues === undefined ? options : readOptionsOf(contextValues, options);
        const { message, call } = await callUnary(opener, request, method.output, readOptions);
        ended("OK");
        // The options decide whether it is the method's output or its encoded form, which the compiler cannot know.
        return new LazyUnaryResponse(method, message as MessageShape<typeof method.output>, call);
      } catch (error) {
        ended(codeNameOf(error));
        throw error;
      }
    },
    stream(method) {
      const message = `use createServerStreamFunction; ${method.methodKind} calls are not supported`;
      return Promise.reject(new ConnectError(message, Code.Unimplemented));
    },
  };
}

/** The supported subset of Connect's CallOptions. */
interface StreamCallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly headers?: MetadataInit;
  readonly contextValues?: ContextValues;
}

/**
 * Returns a client's function for one server-streaming method. The call starts with the iteration, and leaving the
 * iteration early cancels it. Connect's own function wraps the stream in generators, which need more memory.
 */
export function createServerStreamFunction<I extends DescMessage, O extends DescMessage>(
  options: GrpcTransportOptions,
  method: DescMethodServerStreaming<I, O>,
): (
  input: MessageInitShape<I>,
  options?: StreamCallOptions,
) => { [Symbol.asyncIterator](): ServerStream<MessageShape<O>> } {
  const { opener, pathPrefix, observers } = options;
  return (input, { signal, timeoutMs, headers, contextValues } = {}) => ({
    [Symbol.asyncIterator]() {
      const { metadata, ended } = observeCall(observers, method, headers, contextValues);
      try {
        const request = createRequest(pathPrefix, method, input, { signal, timeoutMs, metadata });
        const readOptions = contextValues === undefined ? options : readOptionsOf(contextValues, options);
        return new ServerStream(opener, request, method.output, readOptions, ended);
      } catch (error) {
        ended(codeNameOf(error));
        throw error;
      }
    },
  });
}

function readOptionsOf(contextValues: ContextValues, options: ReadOptions): ReadOptions {
  const {
    readMaxBytes = options.readMaxBytes,
    memory = options.memory,
    owner,
  } = contextValues.get(callReadOptions);
  return { ...options, readMaxBytes, memory, owner };
}

/** The response to a unary call. Headers are converted only when they are read, which is rare. */
class LazyUnaryResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly #call: Call;

  constructor(method: DescMethodUnary<I, O>, message: MessageShape<O>, call: Call) {
    this.method = method;
    this.message = message;
    this.#call = call;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get header(): Headers {
    return headersFrom(this.#call.header);
  }

  get trailer(): Headers {
    return headersFrom(this.#call.trailer);
  }
}
