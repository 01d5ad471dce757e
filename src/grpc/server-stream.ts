import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { GrpcCallListener, GrpcRequest } from "./call.ts";
import type { GrpcConnection } from "./session-pool.ts";
import { EnvelopeReader } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";
import { incomplete, maxBytesOf, openEnvelope } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import { unboundedMemory } from "./message-memory.ts";

/** What iterates over messages. */
type Result<M> = IteratorResult<M, undefined>;

/** One who waits for the next message. */
interface Waiter<M> {
  resolve(result: Result<M> | Promise<Result<M>>): void;
  reject(error: ConnectError): void;
}

/** What a stream takes beside the call. */
interface StreamOptions extends ReadOptions {
  readonly output: DescMessage;
  /** Hears when the server begins to answer, and when the call is over. */
  readonly onBegun?: (error?: ConnectError) => void;
}

const done = { done: true, value: undefined } as const;

/**
 * The messages that answer one call, to be iterated once; leaving them early cancels the call. While nobody
 * asks for the next one, no more than a chunk is read, and the server has to wait.
 */
export class ServerStream<M> implements AsyncIterable<M> {
  readonly call: Call;
  readonly #options: StreamOptions;
  readonly #waiters: Waiter<M>[] = [];
  /** What was received and not yet taken; undefined when it is of no use any more. */
  #frames: EnvelopeReader | undefined;
  /** Whether nothing is read while nobody asks, and while there is no memory for a message. */
  #isPaused = false;
  #hasNoMemory = false;
  #isOver = false;
  /** Why there is no more; told once. */
  #reason: ConnectError | undefined;

  /** Makes the call; throws as `GrpcCall` does. */
  constructor(connection: GrpcConnection, request: GrpcRequest, options: StreamOptions) {
    this.#options = options;
    this.#frames = new EnvelopeReader({
      maxBytes: maxBytesOf(options.output, options),
      memory: options.memory ?? unboundedMemory,
      owner: options.owner,
      pause: () => {
        this.#hasNoMemory = true;
        this.call.pause();
      },
      resume: () => {
        this.#hasNoMemory = false;
        if (!this.#isPaused) this.call.resume();
        this.#serve();
      },
      fail: (error) => {
        this.call.cancel();
        this.#stop(error);
      },
    });
    this.call = new Call(connection, request, this.#listener());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next message; rejects once with the error that the call ended with, if it did. */
  next(): Promise<Result<M>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#serve();
      if (!this.#isPaused || this.#waiters.length === 0) return;
      this.#isPaused = false;
      if (!this.#hasNoMemory) this.call.resume();
    });
  }

  /** Cancels the call. */
  return(): Promise<Result<M>> {
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
      const envelope = this.#take();
      if (envelope === undefined && (!this.#isOver || this.#hasNoMemory)) return;
      this.#waiters.shift();
      if (envelope !== undefined) waiter.resolve(this.#open(envelope));
      else this.#conclude(waiter);
    }
  }

  #take(): Envelope | undefined {
    try {
      return this.#frames?.take();
    } catch (error) {
      this.call.cancel();
      this.#stopWith(ConnectError.from(error, Code.Internal));
      return undefined;
    }
  }

  async #open(envelope: Envelope): Promise<Result<M>> {
    const { output } = this.#options;
    try {
      const encoding = this.call.header?.["grpc-encoding"];
      // The method's output, or the same encoded: what the caller has asked for.
      const value = (await openEnvelope(output, envelope, encoding, this.#options)) as M;
      return { done: false, value };
    } catch (error) {
      this.call.cancel();
      this.#stop();
      throw ConnectError.from(error, Code.Internal);
    }
  }

  #conclude(waiter: Waiter<M>): void {
    const error = this.#reason ?? (this.#frames?.hasRest === true ? incomplete() : undefined);
    this.#stopWith(undefined);
    if (error === undefined) waiter.resolve(done);
    else waiter.reject(error);
  }

  /** Ends at once, without what was received. */
  #stop(error?: ConnectError): void {
    this.#stopWith(error);
    this.#serve();
  }

  #stopWith(error: ConnectError | undefined): void {
    this.#isOver = true;
    this.#hasNoMemory = false;
    this.#frames?.close();
    this.#frames = undefined;
    this.#reason = error;
  }
}
