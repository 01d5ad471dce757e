/** Initial size of the buffer, in bytes. */
const initialBytes = 256;

/** The most unused bytes that stay in memory with the written ones. */
const maxUnusedBytes = 16 * 1024;

/** Up to this length, a loop writes a string faster than Buffer does. */
const maxLoopLength = 32;

/** Characters of a long string that are written in one slice. */
const maxSliceLength = 64 * 1024;

/**
 * Writes the protobuf wire format from the last byte to the first: each call puts its bytes before those written so far.
 * The length of a nested message is then known when it is written.
 */
export class ReverseWriter {
  #bytes = Buffer.allocUnsafe(initialBytes);
  #length = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  /** Writes a uint32, such as a length or a tag. */
  varint(value: number): void {
    let size = 1;
    while (value >= 2 ** (7 * size)) size += 1;
    let at = this.#reserve(size);
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.#bytes[at++] = (rest & 0x7f) | 0x80;
    this.#bytes[at] = rest;
  }

  double(value: number): void {
    const at = this.#reserve(8);
    this.#bytes.writeDoubleLE(value, at);
  }

  /** Writes a string in UTF-8, preceded by its length. */
  string(value: string): void {
    if (value.length <= maxLoopLength && this.#asciiString(value)) return;
    this.varint(this.#utf8(value));
  }

  /** The same in short slices, for a long string. */
  *stringInSlices(value: string): Generator<void, void> {
    const before = this.#length;
    for (let to = value.length; to > 0;) {
      let from = Math.max(0, to - maxSliceLength);
      // The halves of a character stay together.
      if (from > 0 && isLowSurrogate(value.charCodeAt(from))) from -= 1;
      this.#utf8(value.slice(from, to));
      to = from;
      yield;
    }
    this.varint(this.#length - before);
  }

  /** Writes the tag and the length of what was written after the first `before` bytes. */
  prefix(tag: number, before: number): void {
    this.varint(this.#length - before);
    this.varint(tag);
  }

  /** All bytes that were written. Keeps little more than them in memory. */
  finish(): Uint8Array {
    const unused = this.#bytes.length - this.#length;
    const written = this.#bytes.subarray(unused);
    return unused > maxUnusedBytes ? Uint8Array.from(written) : written;
  }

  /** Writes the content of a string; returns its bytes. */
  #utf8(value: string): number {
    const size = Buffer.byteLength(value);
    const at = this.#reserve(size);
    this.#bytes.write(value, at);
    return size;
  }

  /** Writes a string if all of it is ASCII; returns whether it is. */
  #asciiString(value: string): boolean {
    const { length } = value;
    const at = this.#reserve(length);
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) {
        this.#length -= length;
        return false;
      }
      this.#bytes[at + index] = code;
    }
    this.varint(length);
    return true;
  }

  /** Reserves this many bytes and returns their index. */
  #reserve(bytes: number): number {
    const length = this.#length + bytes;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#bytes.length));
      this.#bytes.copy(larger, larger.length - this.#length, this.#bytes.length - this.#length);
      this.#bytes = larger;
    }
    this.#length = length;
    return this.#bytes.length - length;
  }
}

/** Whether a UTF-16 code unit is the second half of a character. */
function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
