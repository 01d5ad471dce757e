import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { GrpcCall } from "./grpc-call.ts";
import type { GrpcCallListener, GrpcRequest } from "./grpc-call.ts";
import type { GrpcConnection } from "./grpc-connection.ts";
import { FrameReader } from "./grpc-frames.ts";
import { decode, incomplete } from "./grpc-messages.ts";

/** What iterates over messages. */
type Result<O extends DescMessage> = IteratorResult<MessageShape<O>, undefined>;

/** One who waits for the next message. */
interface Waiter<O extends DescMessage> {
  resolve(result: Result<O>): void;
  reject(error: ConnectError): void;
}

/** What a stream takes beside the call. */
interface StreamOptions<O extends DescMessage> {
  readonly output: O;
  /** The largest message that is accepted. */
  readonly maxBytes: number;
  /** Hears when the server begins to answer, and when the call is over. */
  readonly onBegun?: (error?: ConnectError) => void;
}

const done = { done: true, value: undefined } as const;

/**
 * The messages that answer one call, to be iterated once; leaving them early cancels the call. While nobody
 * asks for the next one, no more than a chunk is read, and the server has to wait.
 */
export class ServerStream<O extends DescMessage> implements AsyncIterable<MessageShape<O>> {
  readonly call: GrpcCall;
  readonly #options: StreamOptions<O>;
  readonly #waiters: Waiter<O>[] = [];
  /** What was received and not yet taken; undefined when it is of no use any more. */
  #frames: FrameReader | undefined;
  #isPaused = false;
  #isOver = false;
  /** Why there is no more; told once. */
  #reason: ConnectError | undefined;

  /** Makes the call; throws as `GrpcCall` does. */
  constructor(connection: GrpcConnection, request: GrpcRequest, options: StreamOptions<O>) {
    this.#options = options;
    this.#frames = new FrameReader(options.maxBytes);
    this.call = new GrpcCall(connection, request, this.#listener());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next message; rejects once with the error that the call ended with, if it did. */
  next(): Promise<Result<O>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#serve();
      if (!this.#isPaused || this.#waiters.length === 0) return;
      this.#isPaused = false;
      this.call.resume();
    });
  }

  /** Cancels the call. */
  return(): Promise<Result<O>> {
    this.call.cancel();
    this.#stop();
    return Promise.resolve(done);
  }

  #listener(): GrpcCallListener {
    return {
      begun: () => this.#options.onBegun?.(),
      received: (chunk) => {
        this.#frames?.push(chunk);
        this.#serve();
        if (this.#waiters.length > 0 || this.#frames?.hasRest !== true) return;
        this.#isPaused = true;
        this.call.pause();
      },
      ended: (error) => {
        this.#isOver = true;
        this.#reason = error;
        this.#options.onBegun?.(error);
        this.#serve();
      },
      gaveUp: (error) => {
        this.#options.onBegun?.(error);
        this.#stop(error);
      },
    };
  }

  /** Gives those who wait the messages that are there, and tells them the end when there are no more to come. */
  #serve(): void {
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const value = this.#take();
      if (value === undefined && !this.#isOver) return;
      this.#waiters.shift();
      if (value !== undefined) waiter.resolve({ done: false, value });
      else this.#conclude(waiter);
    }
  }

  #take(): MessageShape<O> | undefined {
    try {
      const bytes = this.#frames?.take();
      return bytes === undefined ? undefined : decode(this.#options.output, bytes);
    } catch (error) {
      this.call.cancel();
      this.#isOver = true;
      this.#frames = undefined;
      this.#reason = ConnectError.from(error, Code.Internal);
      return undefined;
    }
  }

  #conclude(waiter: Waiter<O>): void {
    const error = this.#reason ?? (this.#frames?.hasRest === true ? incomplete() : undefined);
    this.#reason = undefined;
    this.#frames = undefined;
    if (error === undefined) waiter.resolve(done);
    else waiter.reject(error);
  }

  /** Ends at once, without what was received. */
  #stop(error?: ConnectError): void {
    this.#isOver = true;
    this.#frames = undefined;
    this.#reason = error;
    this.#serve();
  }
}
