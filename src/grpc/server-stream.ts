import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call } from "./call.ts";
import type { CallListener, CallRequest } from "./call.ts";
import { EnvelopeReader } from "./envelope.ts";
import type { Envelope, EnvelopeListener } from "./envelope.ts";
import { incomplete, maxBytesOf, openEnvelope } from "./messages.ts";
import type { ReadOptions } from "./messages.ts";
import { unboundedMemory } from "./message-memory.ts";
import type { StreamOpener } from "./session.ts";
import { codeNameOf } from "./status.ts";

type Result<M> = IteratorResult<M, undefined>;

/** A pending `next`. */
interface Waiter<M> {
  resolve(result: Result<M>): void;
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
  readonly #onEnded: (code: string) => void;
  #waiter: Waiter<M> | undefined;
  #state: StreamState = "flowing";
  /** Undefined once there are no more messages. */
  #reader: EnvelopeReader | undefined;
  /** The error of the call; undefined once `next` has rejected with it. */
  #error: ConnectError | undefined;

  /** Makes the call. Throws like the constructor of `Call`. `onEnded` is called with the code of the outcome. */
  constructor(
    opener: StreamOpener,
    request: CallRequest,
    output: DescMessage,
    options: ReadOptions,
    onEnded: (code: string) => void,
  ) {
    this.#output = output;
    this.#options = options;
    this.#onEnded = onEnded;
    const { memory = unboundedMemory, owner } = options;
    this.#reader = new EnvelopeReader({ maxBytes: maxBytesOf(output, options), memory, owner }, this);
    this.call = new Call(opener, request, this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Resolves with the next message. Rejects once with the error of the call, if it failed. Must not be called while an
   * earlier call is pending.
   */
  next(): Promise<Result<M>> {
    return new Promise((resolve, reject) => {
      if (this.#waiter !== undefined) throw new Error("the stream already waits for a message");
      this.#waiter = { resolve, reject };
      const isServed = this.#serve();
      if (!isServed && this.#state === "no-demand") this.#transition("flowing");
    });
  }

  /** Cancels the call. */
  return(): Promise<Result<M>> {
    this.call.cancel();
    this.#onEnded("CANCELLED");
    this.#stop();
    return Promise.resolve(done);
  }

  /** Called by the call, as are `ended` and `gaveUp`. */
  received(bytes: Buffer): void {
    this.#reader?.push(bytes);
    this.#serve();
    if (this.#waiter === undefined && this.#reader?.hasRest === true) this.#transition("no-demand");
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

  /** Resolves the waiter with a received message, or with the end if the call has ended. Returns whether it did. */
  #serve(): boolean {
    const waiter = this.#waiter;
    if (waiter === undefined) return false;
    const envelope = this.#take();
    if (envelope === undefined && (this.#state !== "ended" || this.#reader?.isWaiting === true)) return false;
    this.#waiter = undefined;
    if (envelope !== undefined) this.#open(envelope, waiter);
    else this.#conclude(waiter);
    return true;
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

  #open(envelope: Envelope, waiter: Waiter<M>): void {
    // The options decide whether it is the method's output or its encoded form, which the compiler cannot know.
    const resolve = (value: unknown) => waiter.resolve({ done: false, value: value as M });
    const fail = (cause: unknown) => {
      this.call.cancel();
      const error = ConnectError.from(cause, Code.Internal);
      this.#onEnded(codeNameOf(error));
      this.#stop();
      waiter.reject(error);
    };
    const encoding = this.call.header?.["grpc-encoding"];
    try {
      const message = openEnvelope(this.#output, envelope, encoding, this.#options);
      if (message instanceof Promise) message.then(resolve, fail);
      else resolve(message);
    } catch (error) {
      fail(error);
    }
  }

  #conclude(waiter: Waiter<M>): void {
    const error = this.#error ?? (this.#reader?.hasRest === true ? incomplete() : undefined);
    this.#onEnded(error === undefined ? "OK" : codeNameOf(error));
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
    if (error !== undefined) this.#onEnded(codeNameOf(error));
    this.#transition("ended");
    this.#reader?.close();
    this.#reader = undefined;
    this.#error = error;
  }
}
