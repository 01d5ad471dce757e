import { ConnectionError, errorCode, frameHeaderBytes, minMaxFrameBytes } from "./protocol.ts";

/** A received frame. It is valid only during the call that it is passed to: the next frame replaces it. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** 0 for frames of the connection. */
  readonly streamId: number;
  /** The payload is at `start` to `end` of `bytes`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Splits the received bytes into frames, however they are cut. Holds at most one incomplete frame. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #frame: { -readonly [Key in keyof Frame]: Frame[Key] } = {
    type: 0,
    flags: 0,
    streamId: 0,
    bytes: Buffer.alloc(0),
    start: 0,
    end: 0,
  };
  /** The received part of a frame. */
  #partial: Buffer | undefined;
  #partialBytes = 0;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  /** Reads the first `end` bytes. Throws FRAME_SIZE_ERROR for a frame over 16 KiB, which this side never allows. */
  read(bytes: Buffer, end: number): void {
    let at = this.#partialBytes === 0 ? 0 : this.#completePartial(bytes, end);
    while (end - at >= frameHeaderBytes) {
      const next = at + frameHeaderBytes + payloadBytes(bytes, at);
      if (next > end) break;
      this.#emit(bytes, at, next);
      at = next;
    }
    if (at === end) return;
    this.#partial ??= Buffer.allocUnsafeSlow(frameHeaderBytes + minMaxFrameBytes);
    this.#partialBytes += bytes.copy(this.#partial, this.#partialBytes, at, end);
  }

  /** Completes the incomplete frame if possible. Returns the end of what it has taken. */
  #completePartial(bytes: Buffer, end: number): number {
    let at = this.#fillPartial(frameHeaderBytes, bytes, 0, end);
    const partial = this.#partial;
    if (partial === undefined || this.#partialBytes < frameHeaderBytes) return at;
    const length = frameHeaderBytes + payloadBytes(partial, 0);
    at = this.#fillPartial(length, bytes, at, end);
    if (this.#partialBytes < length) return at;
    this.#partialBytes = 0;
    this.#emit(partial, 0, length);
    return at;
  }

  /** Copies bytes until the incomplete frame has `length` of them. */
  #fillPartial(length: number, bytes: Buffer, at: number, end: number): number {
    const missing = Math.max(0, length - this.#partialBytes);
    const taken = Math.min(end, at + missing);
    if (this.#partial !== undefined)
      this.#partialBytes += bytes.copy(this.#partial, this.#partialBytes, at, taken);
    return taken;
  }

  #emit(bytes: Buffer, at: number, end: number): void {
    const frame = this.#frame;
    frame.type = bytes.readUInt8(at + 3);
    frame.flags = bytes.readUInt8(at + 4);
    // The first bit of the stream id is reserved (RFC 9113 §4.1).
    frame.streamId = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    frame.bytes = bytes;
    frame.start = at + frameHeaderBytes;
    frame.end = end;
    this.#onFrame(frame);
  }
}

function payloadBytes(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length > minMaxFrameBytes)
    throw new ConnectionError(errorCode.frameSizeError, `a frame of ${length} bytes`);
  return length;
}
