import { Code, ConnectError } from "@connectrpc/connect";

/** Length of what goes before each message: one byte of flags and the message's length, big-endian. */
const prefixBytes = 5;

/** The flag of a compressed message. */
const compressed = 1;

/** A message as gRPC sends it: uncompressed, behind its prefix. */
export function frameOf(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(prefixBytes + message.byteLength);
  frame[0] = 0;
  frame.writeUInt32BE(message.byteLength, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** Cuts bytes into the messages that they carry. Bytes are copied only where a message spans chunks. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #size = 0;

  /** A reader of messages of at most `maxBytes` each. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /**
   * The next whole message, or undefined until more bytes come. Throws ResourceExhausted for a message over
   * the limit, as soon as its prefix is there, and Internal for a compressed one.
   */
  take(): Uint8Array | undefined {
    if (this.#size < prefixBytes) return undefined;
    const prefix = this.#front(prefixBytes);
    const length = prefix.readUInt32BE(1);
    if (length > this.#maxBytes) throw tooLarge(length, this.#maxBytes);
    if ((prefix.readUInt8(0) & compressed) !== 0) throw notOffered();
    const end = prefixBytes + length;
    if (this.#size < end) return undefined;
    const front = this.#front(end);
    this.#size -= end;
    if (front.length === end) this.#chunks.shift();
    else this.#chunks[0] = front.subarray(end);
    return front.subarray(prefixBytes, end);
  }

  /** Whether bytes are left that `take` has not given. */
  get hasRest(): boolean {
    return this.#size > 0;
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

/** Its text is what tells it from an exhausted quota: every gRPC library says it with the same code. */
function tooLarge(bytes: number, maxBytes: number): ConnectError {
  return new ConnectError(
    `message size ${bytes} is larger than the limit of ${maxBytes} bytes`,
    Code.ResourceExhausted,
  );
}

function notOffered(): ConnectError {
  return new ConnectError("protocol error: a message is compressed, which was not offered", Code.Internal);
}
