import { Code, ConnectError } from "@connectrpc/connect";
import { smallMessageBytes } from "./message-memory.ts";
import type { MemoryLease, MessageMemory } from "./message-memory.ts";

/** Length of the prefix of a message: one byte of flags and the message's length, big-endian. */
const prefixBytes = 5;

/** The flag of a compressed message. */
const compressed = 1;

/** A length-prefixed message, uncompressed. */
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
  /** The memory of a large message. */
  readonly lease: MemoryLease | undefined;
}

/** How messages are read from received bytes. */
interface EnvelopeReaderOptions {
  readonly maxBytes: number;
  readonly memory: MessageMemory;
  /** For whom messages wait for memory. */
  readonly owner: string | undefined;
  /** Called when `push` should stop because a message waits for memory, and when it may go on. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Called when there will be no memory for a message. */
  readonly fail: (error: ConnectError) => void;
}

/**
 * Reads length-prefixed messages from chunks of bytes. Bytes are copied only if a message spans chunks. A large message
 * acquires memory once its length is known, and delays those behind it until it has some.
 */
export class EnvelopeReader {
  readonly #options: EnvelopeReaderOptions;
  #chunks: Buffer[] = [];
  #size = 0;
  /** A large message that is being received. */
  #large: LargeMessage | undefined;
  /** Aborts the wait for its memory. */
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
   * The next complete message, or undefined until more bytes come. Throws ResourceExhausted for a message over the limit
   * as soon as its prefix is there.
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

  /** Whether bytes are left that `take` has not returned. */
  get hasRest(): boolean {
    return this.#size > 0 || this.#large !== undefined;
  }

  /** Whether a message waits for memory. */
  get isWaiting(): boolean {
    return this.#large !== undefined && this.#large.lease === undefined;
  }

  /** Releases what was received of an incomplete message. */
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
      (given) => {
        if (signal.aborted) return given.resize(0);
        this.#admit(large, given);
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

  /** A buffer that begins with the next `length` bytes, which are there. */
  #front(length: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= length) return first;
    const joined = Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [joined];
    return joined;
  }
}

/** A message with memory of its own, once there is some. */
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

  /** Takes the bytes that belong to it; returns the rest, which is all of them while there is no memory. */
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

/** A message is larger than the limit: only its length was read. */
class MessageTooLarge extends Error {
  override readonly name = "MessageTooLarge";
  readonly bytes: number;

  constructor(bytes: number, maxBytes: number) {
    super(`message size ${bytes} is larger than the limit of ${maxBytes} bytes`);
    this.bytes = bytes;
  }
}

/** The error of a message over the limit. Only its text distinguishes it from an exhausted quota: gRPC libraries use one code for both. */
export function tooLarge(bytes: number, maxBytes: number): ConnectError {
  const cause = new MessageTooLarge(bytes, maxBytes);
  return new ConnectError(cause.message, Code.ResourceExhausted, undefined, undefined, cause);
}

/** How large a received message would have been, in bytes, if a call has failed for that reason. */
export function tooLargeBytes(error: unknown): number | undefined {
  return error instanceof ConnectError && error.cause instanceof MessageTooLarge
    ? error.cause.bytes
    : undefined;
}
