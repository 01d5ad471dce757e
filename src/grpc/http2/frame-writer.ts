import type { Socket } from "node:net";
import { frameHeaderBytes, frameType } from "./protocol.ts";

/** The first size of the buffer for frames, in bytes. */
const bufferBytes = 16 * 1024;

/** The largest buffer that is kept for later frames, in bytes. */
const maxKeptBytes = 64 * 1024;

/**
 * Writes frames to a socket. The frames of one turn of the event loop are written together: a system call costs more than
 * most calls.
 */
export class FrameWriter {
  readonly #socket: Socket;
  #buffer = Buffer.allocUnsafeSlow(bufferBytes);
  #length = 0;
  #isScheduled = false;
  #isCongested = false;
  readonly #onFlush = () => {
    this.#isScheduled = false;
    this.flush();
  };

  /** `onDrain` is called when the socket is no longer congested. */
  constructor(socket: Socket, onDrain: () => void) {
    this.#socket = socket;
    socket.on("drain", () => {
      this.#isCongested = false;
      onDrain();
    });
  }

  /** Whether the server does not read what is sent. More than small frames should wait. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** The bytes that are not sent yet. */
  get pendingBytes(): number {
    return this.#length + this.#socket.writableLength;
  }

  /** Writes the header of a frame, and returns where its payload of `length` bytes has to be written in `buffer`. */
  frame(type: number, flags: number, streamId: number, length: number): number {
    const at = this.reserve(frameHeaderBytes + length);
    this.#writeHeader(at, type, flags, streamId, length);
    this.#length = at + frameHeaderBytes + length;
    return at + frameHeaderBytes;
  }

  /** Writes bytes that are no frame: the connection preface. */
  text(text: string): void {
    const at = this.reserve(text.length);
    this.#length = at + this.#buffer.write(text, at, "latin1");
  }

  /** Makes room for a frame of up to `bytes` in `buffer`, and returns where it begins. */
  reserve(bytes: number): number {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(this.#onFlush);
    }
    if (this.#length + bytes > this.#buffer.length) {
      this.flush();
      if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(Math.max(bytes, maxKeptBytes));
    }
    return this.#length;
  }

  /** Completes a HEADERS frame that begins at `at`, as `reserve` returned it, and whose block ends at `end`. */
  finishHeaders(at: number, flags: number, streamId: number, end: number): void {
    this.#writeHeader(at, frameType.headers, flags, streamId, end - at - frameHeaderBytes);
    this.#length = end;
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Writes everything to the socket now. */
  flush(): void {
    const socket = this.#socket;
    const length = this.#length;
    this.#length = 0;
    if (length === 0 || socket.destroyed || socket.writableEnded) return;
    this.#isCongested = !socket.write(this.#buffer.subarray(0, length));
    // The socket still references what the kernel has not taken.
    if (socket.writableLength > 0 || this.#buffer.length > maxKeptBytes)
      this.#buffer = Buffer.allocUnsafeSlow(bufferBytes);
  }

  #writeHeader(at: number, type: number, flags: number, streamId: number, length: number): void {
    const buffer = this.#buffer;
    buffer[at] = length >>> 16;
    buffer[at + 1] = length >>> 8;
    buffer[at + 2] = length;
    buffer[at + 3] = type;
    buffer[at + 4] = flags;
    buffer.writeUInt32BE(streamId, at + 5);
  }
}
