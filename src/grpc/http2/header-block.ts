import { ConnectionError, errorCode, frameFlag } from "./protocol.ts";

/** The largest encoded header block, in bytes, and the most frames of one. */
const maxBlockBytes = 512 * 1024;
const maxFrames = 128;

/** Where the header block of a HEADERS frame is: without padding and priority (RFC 9113 §6.2). */
export function blockOf(
  flags: number,
  bytes: Buffer,
  start: number,
  end: number,
): [start: number, end: number] {
  const [afterLength, last] = unpadded(flags, bytes, start, end);
  const first = (flags & frameFlag.priority) === 0 ? afterLength : afterLength + 5;
  if (first > last)
    throw new ConnectionError(errorCode.frameSizeError, "a HEADERS frame without its priority");
  return [first, last];
}

/** Where the content of a DATA or HEADERS frame is: without padding (RFC 9113 §6.1). */
export function unpadded(
  flags: number,
  bytes: Buffer,
  start: number,
  end: number,
): [start: number, end: number] {
  if ((flags & frameFlag.padded) === 0) return [start, end];
  if (start === end)
    throw new ConnectionError(errorCode.frameSizeError, "a frame without its padding length");
  const last = end - bytes.readUInt8(start);
  if (start + 1 > last)
    throw new ConnectionError(errorCode.protocolError, "more padding than the frame has bytes");
  return [start + 1, last];
}

/** A header block of which the CONTINUATION frames are being received (RFC 9113 §6.10). */
export class ContinuedBlock {
  readonly streamId: number;
  readonly isEndOfStream: boolean;
  readonly #fragments: Buffer[] = [];
  #bytes = 0;

  constructor(streamId: number, isEndOfStream: boolean) {
    this.streamId = streamId;
    this.isEndOfStream = isEndOfStream;
  }

  /** Throws ENHANCE_YOUR_CALM if the block has too many bytes or frames: it must be decoded even if nobody reads it. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#fragments.push(Buffer.from(bytes.subarray(start, end)));
    this.#bytes += end - start;
    if (this.#bytes > maxBlockBytes || this.#fragments.length > maxFrames)
      throw new ConnectionError(errorCode.enhanceYourCalm, "a header block that does not end");
  }

  whole(): Buffer {
    return Buffer.concat(this.#fragments, this.#bytes);
  }
}
