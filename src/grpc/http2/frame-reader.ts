import { ConnectionError, errorCode, frameHeaderBytes, minMaxFrameBytes } from "./protocol.ts";

/** Is called with each frame; its payload is at `start` to `end` of `bytes`, which are valid during the call only. */
export type OnFrame = (
  type: number,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

/** Splits the received bytes into frames, however they are cut. Holds at most one incomplete frame. */
export class FrameReader {
  readonly #onFrame: OnFrame;
  /** The received part of a frame. */
  #partial: Buffer | undefined;
  #partialBytes = 0;

  constructor(onFrame: OnFrame) {
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
    // The first bit of the stream id is reserved (RFC 9113 §4.1).
    const streamId = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    this.#onFrame(
      bytes.readUInt8(at + 3),
      bytes.readUInt8(at + 4),
      streamId,
      bytes,
      at + frameHeaderBytes,
      end,
    );
  }
}

function payloadBytes(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length > minMaxFrameBytes)
    throw new ConnectionError(errorCode.frameSizeError, `a frame of ${length} bytes`);
  return length;
}
