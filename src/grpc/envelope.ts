import { Code, ConnectError } from "@connectrpc/connect";
import { smallMessageBytes } from "./message-memory.ts";
import type { MemoryLease, MessageMemory } from "./message-memory.ts";

/** The prefix of a message: one byte of flags and four bytes of length, big-endian. */
const prefixBytes = 5;

/** The flag of a compressed message. */
const compressed = 1;

/** Returns a length-prefixed message. */
export function encodeEnvelope(message: Uint8Array, isCompressed = false): Uint8Array {
  const envelope = Buffer.allocUnsafe(prefixBytes + message.byteLength);
  envelope[0] = isCompressed ? compressed : 0;
  envelope.writeUInt32BE(message.byteLength, 1);
  envelope.set(message, prefixBytes);
  return envelope;
}

/** A length-prefixed message, without its prefix. */
export interface Envelope {
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array;
  /** The memory of the message; undefined for a small one. */
  readonly lease: MemoryLease | undefined;
}

/** How messages are received. */
export interface EnvelopeOptions {
  readonly maxBytes: number;
  readonly memory: MessageMemory;
  /** The owner of the messages, for the order in which they wait for memory. */
  readonly owner: string | undefined;
}

/** Is called when a message waits for memory. */
export interface EnvelopeListener {
  /** A message waits: `push` should stop. */
  onWaiting(): void;
  /** The message has its memory: `take` may return it. */
  onAdmitted(): void;
  /** The message cannot get memory. */
  onFailed(error: ConnectError): void;
}

const noBytes = Buffer.alloc(0);

/** Reads length-prefixed messages. A large one acquires memory once its length is known. Later messages wait for it. */
export class EnvelopeReader {
  readonly #options: EnvelopeOptions;
  readonly #listener: EnvelopeListener;
  /** The bytes that were not taken are at `#start` to `#end`. Taken messages are views of those before. */
  #buffer: Buffer = noBytes;
  #start = 0;
  #end = 0;
  /** The large message that is being received. */
  #large: LargeMessage | undefined;
  /** Aborts the wait for the memory of `#large`. */
  #waiting: AbortController | undefined;

  constructor(options: EnvelopeOptions, listener: EnvelopeListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Adds received bytes, and keeps no reference to them. */
  push(bytes: Buffer): void {
    const rest = this.#large?.fill(bytes) ?? bytes;
    if (rest.length === 0) return;
    this.#reserve(rest.length);
    this.#end += rest.copy(this.#buffer, this.#end);
  }

  /**
   * Returns the next complete message, or undefined if more bytes are needed. Throws ResourceExhausted for a message over
   * the limit once its prefix is received.
   */
  take(): Envelope | undefined {
    if (this.#large !== undefined) return this.#takeLarge(this.#large);
    const size = this.#end - this.#start;
    if (size < prefixBytes) return undefined;
    const length = this.#buffer.readUInt32BE(this.#start + 1);
    const { maxBytes } = this.#options;
    if (length > maxBytes) throw tooLarge(length, maxBytes);
    const isCompressed = (this.#buffer.readUInt8(this.#start) & compressed) !== 0;
    if (length > smallMessageBytes) return this.#begin(length, isCompressed);
    const missing = prefixBytes + length - size;
    if (missing > 0) {
      this.#reserve(missing);
      return undefined;
    }
    const start = this.#start + prefixBytes;
    const bytes = this.#buffer.subarray(start, start + length);
    this.#drop(prefixBytes + length);
    return { isCompressed, bytes, lease: undefined };
  }

  /** Whether there are bytes that `take` has not returned. */
  get hasRest(): boolean {
    return this.#end > this.#start || this.#large !== undefined;
  }

  /** Whether a message waits for memory. */
  get isWaiting(): boolean {
    return this.#large !== undefined && this.#large.lease === undefined;
  }

  /** Releases the bytes and the memory of messages that were not taken. */
  close(): void {
    this.#waiting?.abort();
    this.#large?.lease?.resize(0);
    this.#large = undefined;
    this.#drop(this.#end - this.#start);
  }

  #begin(length: number, isCompressed: boolean): Envelope | undefined {
    const { memory, owner } = this.#options;
    const large = new LargeMessage(length, isCompressed);
    this.#large = large;
    this.#drop(prefixBytes);
    const lease = memory.tryAcquire(length);
    if (lease !== undefined) {
      this.#admit(large, lease);
      return this.#takeLarge(large);
    }
    this.#listener.onWaiting();
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    memory.acquire(length, { signal, owner }).then(
      (acquired) => {
        if (signal.aborted) return acquired.resize(0);
        this.#admit(large, acquired);
        this.#listener.onAdmitted();
      },
      (error: unknown) =>
        signal.aborted || this.#listener.onFailed(ConnectError.from(error, Code.Unavailable)),
    );
    return undefined;
  }

  #admit(large: LargeMessage, lease: MemoryLease): void {
    large.admit(lease);
    const received = this.#buffer.subarray(this.#start, this.#end);
    this.#drop(received.length);
    this.push(received);
  }

  #takeLarge(large: LargeMessage): Envelope | undefined {
    const envelope = large.complete;
    if (envelope !== undefined) this.#large = undefined;
    return envelope;
  }

  /** Makes room for `bytes` more, without moving those of messages that were taken. */
  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const size = this.#end - this.#start;
    // Doubled, so that bytes that arrive one by one are not copied each time.
    const buffer = Buffer.allocUnsafe(Math.max(size + bytes, 2 * size));
    this.#buffer.copy(buffer, 0, this.#start, this.#end);
    this.#buffer = buffer;
    this.#start = 0;
    this.#end = size;
  }

  #drop(bytes: number): void {
    this.#start += bytes;
    if (this.#start < this.#end) return;
    this.#buffer = noBytes;
    this.#start = this.#end = 0;
  }
}

/** A message that has its own buffer once its memory is acquired. */
class LargeMessage {
  readonly #length: number;
  readonly #isCompressed: boolean;
  #bytes: Buffer | undefined;
  #filled = 0;
  lease: MemoryLease | undefined;

  constructor(length: number, isCompressed: boolean) {
    this.#length = length;
    this.#isCompressed = isCompressed;
  }

  admit(lease: MemoryLease): void {
    this.lease = lease;
    this.#bytes = Buffer.allocUnsafeSlow(this.#length);
  }

  /** Copies the bytes of this message and returns the rest. Copies nothing before `admit`. */
  fill(chunk: Buffer): Buffer {
    if (this.#bytes === undefined) return chunk;
    const taken = chunk.copy(this.#bytes, this.#filled);
    this.#filled += taken;
    return chunk.subarray(taken);
  }

  get complete(): Envelope | undefined {
    if (this.#bytes === undefined || this.#filled < this.#length) return undefined;
    return { isCompressed: this.#isCompressed, bytes: this.#bytes, lease: this.lease };
  }
}

/** A message is over the limit. Only its length was read. */
class MessageTooLarge extends Error {
  override readonly name = "MessageTooLarge";
  readonly bytes: number;

  constructor(bytes: number, maxBytes: number) {
    super(`message size ${bytes} is larger than the limit of ${maxBytes} bytes`);
    this.bytes = bytes;
  }
}

/** The error for a message over the limit. gRPC has one code for it and for an exhausted quota; only the text differs. */
export function tooLarge(bytes: number, maxBytes: number): ConnectError {
  const cause = new MessageTooLarge(bytes, maxBytes);
  return new ConnectError(cause.message, Code.ResourceExhausted, undefined, undefined, cause);
}

/** The length of the message, in bytes, if a call failed because the message is over the limit. */
export function tooLargeBytes(error: unknown): number | undefined {
  return error instanceof ConnectError && error.cause instanceof MessageTooLarge
    ? error.cause.bytes
    : undefined;
}
