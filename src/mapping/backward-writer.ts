/** Smallest piece of memory that is written into, in bytes. */
const firstBytes = 256;

/** Writes the parts of protobuf messages, each before those that were written before. */
export class BackwardWriter {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  /** A length or a tag: a whole number below 2^31. */
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

  /** A string in UTF-8, behind its length. */
  string(value: string): void {
    const size = Buffer.byteLength(value);
    const at = this.#reserve(size);
    this.#bytes.write(value, at);
    this.varint(size);
  }

  /** All that was written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(this.#bytes.length - this.#length);
  }

  /** Makes room for so many bytes; returns where they are. */
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
