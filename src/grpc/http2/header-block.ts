import type { Frame } from "./frame-reader.ts";
import {
  ConnectionError,
  errorCode,
  frameFlag,
  frameSizeError,
  frameType,
  protocolError,
} from "./protocol.ts";

/** The largest encoded header block, in bytes, and the most frames of one. */
const maxBlockBytes = 512 * 1024;
const maxFrames = 128;

/** Where the content of a DATA or HEADERS frame is: without padding and priority (RFC 9113 §6.1, §6.2). */
export function contentOf({ type, flags, bytes, start, end }: Frame): readonly [start: number, end: number] {
  const isPadded = (flags & frameFlag.padded) !== 0;
  const hasPriority = type === frameType.headers && (flags & frameFlag.priority) !== 0;
  const first = start + (isPadded ? 1 : 0) + (hasPriority ? 5 : 0);
  if (first > end) throw frameSizeError(end - start);
  const last = isPadded ? end - bytes.readUInt8(start) : end;
  if (first > last) throw protocolError("more padding than the frame has bytes");
  return [first, last];
}

/** A header block whose CONTINUATION frames are being received (RFC 9113 §6.10). */
export class ContinuedBlock {
  readonly streamId: number;
  readonly isEndOfStream: boolean;
  readonly #fragments: Buffer[] = [];
  #bytes = 0;

  constructor(streamId: number, isEndOfStream: boolean) {
    this.streamId = streamId;
    this.isEndOfStream = isEndOfStream;
  }

  /** Throws ENHANCE_YOUR_CALM if the block has too many bytes or frames: all of it must be held and decoded. */
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
