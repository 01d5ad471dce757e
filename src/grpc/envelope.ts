import { Code, ConnectError } from "@connectrpc/connect";
import { smallMessageBytes } from "./message-memory.ts";
import type { MemoryLease, MessageMemory } from "./message-memory.ts";

/** The prefix of a message: one byte of flags and four bytes of length, big-endian. */
const prefixBytes = 5;

/** The flag of a compressed message. */
const compressed = 1;

/** Returns an uncompressed length-prefixed message. */
export function encodeEnvelope(message: Uint8Array): Uint8Array {
  const envelope = Buffer.allocUnsafe(prefixBytes + message.byteLength);
  envelope[0] = 0;
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

interface EnvelopeReaderOptions {
  readonly maxBytes: number;
  readonly memory: MessageMemory;
  /** The owner of the messages, for the order in which they wait for memory. */
  readonly owner: string | undefined;
  /** Called when a message waits for memory, so that `push` should stop, and when it has its memory. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Called when a message cannot get memory. */
  readonly fail: (error: ConnectError) => void;
}

/**
 * Reads length-prefixed messages from chunks of bytes. Bytes are copied only if a message spans chunks. A large message
 * acquires memory once its length is known. Later messages wait for it.
 */
export class EnvelopeReader {
  readonly #options: EnvelopeReaderOptions;
  #chunks: Buffer[] = [];
  #size = 0;
  /** The large message that is being received. */
  #large: LargeMessage | undefined;
  /** Aborts the wait for the memory of `#large`. */
  #waiting: AbortController | undefined;

  constructor(options: EnvelopeReaderOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    const rest = this.#large?.fill(chunk) ?? chunk;
    if (rest.length === 0) return;
    this.#chunks.push(rest);
    this.#size += rest.length;
  }

  /**
   * Returns the next complete message, or undefined if more bytes are needed. Throws ResourceExhausted for a message over
   * the limit once its prefix is received.
   */
  take(): Envelope | undefined {
    if (this.#large !== undefined) return this.#takeLarge(this.#large);
    if (this.#size < prefixBytes) return undefined;
    const prefix = this.#front(prefixBytes);
    const length = prefix.readUInt32BE(1);
    const { maxBytes } = this.#options;
    if (length > maxBytes) throw tooLarge(length, maxBytes);
    const isCompressed = (prefix.readUInt8(0) & compressed) !== 0;
    const end = prefixBytes + length;
    if (length > smallMessageBytes) return this.#begin(length, isCompressed);
    if (this.#size < end) return undefined;
    const front = this.#front(end);
    this.#drop(front, end);
    return { isCompressed, bytes: front.subarray(prefixBytes, end), lease: undefined };
  }

  /** Whether there are bytes that `take` has not returned. */
  get hasRest(): boolean {
    return this.#size > 0 || this.#large !== undefined;
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
    this.#chunks = [];
    this.#size = 0;
  }

  #begin(length: number, isCompressed: boolean): Envelope | undefined {
    const { memory, owner, pause, resume, fail } = this.#options;
    const large = new LargeMessage(length, isCompressed);
    this.#large = large;
    this.#drop(this.#front(prefixBytes), prefixBytes);
    const lease = memory.tryAcquire(length);
    if (lease !== undefined) {
      this.#admit(large, lease);
      return this.#takeLarge(large);
    }
    pause();
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    memory.acquire(length, { signal, owner }).then(
      (acquired) => {
        if (signal.aborted) return acquired.resize(0);
        this.#admit(large, acquired);
        resume();
      },
      (error: unknown) => signal.aborted || fail(ConnectError.from(error, Code.Unavailable)),
    );
    return undefined;
  }

  #admit(large: LargeMessage, lease: MemoryLease): void {
    large.admit(lease);
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#size = 0;
    for (const chunk of chunks) this.push(chunk);
  }

  #takeLarge(large: LargeMessage): Envelope | undefined {
    const envelope = large.complete;
    if (envelope !== undefined) this.#large = undefined;
    return envelope;
  }

  /** Drops the first `end` bytes of `front`, which is the first of the chunks. */
  #drop(front: Buffer, end: number): void {
    this.#size -= end;
    if (front.length === end) this.#chunks.shift();
    else this.#chunks[0] = front.subarray(end);
  }

  /** Returns a buffer that starts with the next `length` bytes, which must have been received. */
  #front(length: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= length) return first;
    const joined = Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [joined];
    return joined;
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
