import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { CallListener, CallRequest } from "./call.ts";
import { EnvelopeReader } from "./envelope.ts";
import type { Envelope, EnvelopeListener } from "./envelope.ts";
import { incomplete, maxBytesOf, openEnvelope } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import { unboundedMemory } from "./message-memory.ts";
import type { ObservedCall } from "./observer.ts";
import type { StreamOpener } from "./session.ts";
import { codeNameOf } from "./status.ts";

type Result<M> = IteratorResult<M, undefined>;

/** A pending `next`. */
interface Waiter<M> {
  resolve(result: Result<M> | Promise<Result<M>>): void;
  reject(error: ConnectError): void;
}

type StreamState =
  /** Bytes are received. */
  | "flowing"
  /** The call is paused: bytes were received, and no `next` is pending. */
  | "no-demand"
  /** The call is paused: a message waits for memory. */
  | "no-memory"
  /** The call has ended; `next` still returns the complete messages that were received. */
  | "ended";

const done = { done: true, value: undefined } as const;

/**
 * The messages of a server-streaming call, for one iteration. Leaving the iteration early cancels the call. While no
 * `next` is pending, at most one chunk is read; flow control then stops the server.
 */
export class ServerStream<M> implements AsyncIterableIterator<M, undefined>, CallListener, EnvelopeListener {
  readonly call: Call;
  readonly #output: DescMessage;
  readonly #options: ReadOptions;
  readonly #observed: ObservedCall;
  #waiters: readonly Waiter<M>[] = [];
  #state: StreamState = "flowing";
  /** Undefined once there are no more messages. */
  #reader: EnvelopeReader | undefined;
  /** The error of the call; undefined once `next` has rejected with it. */
  #error: ConnectError | undefined;

  /** Makes the call. Throws like the constructor of `Call`. */
  constructor(
    opener: StreamOpener,
    request: CallRequest,
    output: DescMessage,
    options: ReadOptions,
    observed: ObservedCall,
  ) {
    this.#output = output;
    this.#options = options;
    this.#observed = observed;
    const { memory = unboundedMemory, owner } = options;
    this.#reader = new EnvelopeReader({ maxBytes: maxBytesOf(output, options), memory, owner }, this);
    this.call = new Call(opener, request, this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Resolves with the next message. Rejects once with the error of the call, if it failed. */
  next(): Promise<Result<M>> {
    return new Promise((resolve, reject) => {
      // Almost always the only one: `push` would make room for 17.
      this.#waiters = this.#waiters.concat({ resolve, reject });
      this.#serve();
      if (this.#state === "no-demand" && this.#waiters.length > 0) this.#transition("flowing");
    });
  }

  /** Cancels the call. */
  return(): Promise<Result<M>> {
    this.call.cancel();
    this.#observed.ended("CANCELLED");
    this.#stop();
    return Promise.resolve(done);
  }

  /** Called by the call, as are `ended` and `gaveUp`. */
  received(bytes: Buffer): void {
    this.#reader?.push(bytes);
    this.#serve();
    if (this.#waiters.length === 0 && this.#reader?.hasRest === true) this.#transition("no-demand");
  }

  ended(error: ConnectError | undefined): void {
    this.#error = error;
    this.#transition("ended");
    this.#serve();
  }

  gaveUp(error: ConnectError): void {
    this.#stop(error);
  }

  /** Called by the reader, as are `onAdmitted` and `onFailed`. */
  onWaiting(): void {
    this.#transition("no-memory");
  }

  onAdmitted(): void {
    this.#transition("flowing");
    this.#serve();
  }

  onFailed(error: ConnectError): void {
    this.call.cancel();
    this.#stop(error);
  }

  /** `ended` is the last state. */
  #transition(state: StreamState): void {
    if (this.#state === "ended") return;
    this.#state = state;
    if (state === "flowing") this.call.resume();
    else if (state !== "ended") this.call.pause();
  }

  /** Resolves waiters with the received messages, and with the end if the call has ended. */
  #serve(): void {
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const envelope = this.#take();
      if (envelope === undefined && (this.#state !== "ended" || this.#reader?.isWaiting === true)) return;
      this.#waiters = this.#waiters.slice(1);
      if (envelope !== undefined) waiter.resolve(this.#open(envelope));
      else this.#conclude(waiter);
    }
  }

  #take(): Envelope | undefined {
    try {
      return this.#reader?.take();
    } catch (error) {
      this.call.cancel();
      this.#close(ConnectError.from(error, Code.Internal));
      return undefined;
    }
  }

  async #open(envelope: Envelope): Promise<Result<M>> {
    try {
      const encoding = this.call.header?.["grpc-encoding"];
      // The options decide whether it is the method's output or its encoded form, which the compiler cannot know.
      const value = (await openEnvelope(this.#output, envelope, encoding, this.#options)) as M;
      return { done: false, value };
    } catch (cause) {
      this.call.cancel();
      const error = ConnectError.from(cause, Code.Internal);
      this.#observed.ended(codeNameOf(error));
      this.#stop();
      throw error;
    }
  }

  #conclude(waiter: Waiter<M>): void {
    const error = this.#error ?? (this.#reader?.hasRest === true ? incomplete() : undefined);
    this.#observed.ended(error === undefined ? "OK" : codeNameOf(error));
    this.#close();
    if (error === undefined) waiter.resolve(done);
    else waiter.reject(error);
  }

  /** Ends at once and discards received messages. */
  #stop(error?: ConnectError): void {
    this.#close(error);
    this.#serve();
  }

  #close(error?: ConnectError): void {
    if (error !== undefined) this.#observed.ended(codeNameOf(error));
    this.#transition("ended");
    this.#reader?.close();
    this.#reader = undefined;
    this.#error = error;
  }
}
