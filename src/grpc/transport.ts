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
import { ObservedCall } from "./observer.ts";
import type { CallObserver } from "./observer.ts";
import { ServerStream } from "./server-stream.ts";
import type { StreamOpener } from "./session.ts";
import { codeNameOf } from "./status.ts";
import { callUnary } from "./unary.ts";

/** What a transport needs. */
export interface GrpcTransportOptions extends ReadOptions {
  /** One of a channel's two, `calls` or `streams`. */
  readonly opener: StreamOpener;
  /** The path of the endpoint, which precedes every method's path. */
  readonly pathPrefix: string;
  readonly observers?: readonly CallObserver[] | undefined;
}

/** How one call reads its responses; by default as its transport does. */
interface CallReadOptions {
  /** The largest message that it accepts, in bytes; less than the transport's own. */
  readonly readMaxBytes?: number | undefined;
  readonly memory?: MessageMemory | undefined;
  readonly owner?: string | undefined;
}

const callReadOptions = createContextKey<CallReadOptions>({});

/** A copy of `context` for a call that reads its responses by `options`. */
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
      const observed = new ObservedCall(observers, method, given, contextValues);
      const { metadata } = observed;
      try {
        const request = createRequest(pathPrefix, method, input, { signal, timeoutMs, metadata });
        const readOptions = contextValues === undefined ? options : readOptionsOf(contextValues, options);
        const { message, call } = await callUnary(opener, request, method.output, readOptions);
        observed.ended("OK");
        // The method's output, or the same encoded, as the options say.
        return new LazyUnaryResponse(method, message as MessageShape<typeof method.output>, call);
      } catch (error) {
        observed.ended(codeNameOf(error));
        throw error;
      }
    },
    stream(method) {
      const message = `use createServerStreamFunction; ${method.methodKind} calls are not supported`;
      return Promise.reject(new ConnectError(message, Code.Unimplemented));
    },
  };
}

/** What a server-streaming function takes of Connect's call options. */
interface StreamCallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly headers?: MetadataInit;
  readonly contextValues?: ContextValues;
}

/**
 * A client's function for one server-streaming method. Unlike Connect's own it puts no generator around the stream, so
 * that an open one needs little memory, and leaving the messages early cancels the call. The call begins when the
 * messages are iterated.
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
      const observed = new ObservedCall(observers, method, headers, contextValues);
      const { metadata } = observed;
      try {
        const request = createRequest(pathPrefix, method, input, { signal, timeoutMs, metadata });
        const readOptions = contextValues === undefined ? options : readOptionsOf(contextValues, options);
        return new ServerStream(opener, request, method.output, readOptions, observed);
      } catch (error) {
        observed.ended(codeNameOf(error));
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

/** The response to a unary call. Its headers are built only when they are read, which is rare. */
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
