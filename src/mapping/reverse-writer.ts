/** Initial size of the buffer, in bytes. */
const initialBytes = 256;

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

  /** Writes a length or a tag: an integer below 2^31. */
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
    const size = Buffer.byteLength(value);
    const at = this.#reserve(size);
    this.#bytes.write(value, at);
    this.varint(size);
  }

  /** All bytes that were written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(this.#bytes.length - this.#length);
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
