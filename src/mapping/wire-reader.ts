import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** The tag before a value: its field number and its wire type. */
export function tagOf(field: number, wireType: WireType): number {
  return (field << 3) | wireType;
}

/** The wire types, indexed by their numbers. */
const wireTypes: readonly WireType[] = [
  WireType.Varint,
  WireType.Bit64,
  WireType.LengthDelimited,
  WireType.StartGroup,
  WireType.EndGroup,
  WireType.Bit32,
];

/** The wire type of a tag; undefined for the two numbers that stand for none. */
export function wireTypeOf(tag: number): WireType | undefined {
  return wireTypes[tag & 7];
}

/** Reads the protobuf wire format of a message and its nested messages in place, without creating them. */
export class WireReader extends BinaryReader {
  readonly source: Uint8Array;

  constructor(source: Uint8Array) {
    super(source);
    this.source = source;
  }

  /** Reads a tag or a length, most of which take one byte. */
  varint(): number {
    const byte = this.source[this.pos];
    if (byte === undefined || byte >= 0x80) return this.uint32();
    this.pos += 1;
    return byte;
  }

  /**
   * Reads the length of a nested message, string or map entry, and returns the position of its end. Throws if the end
   * exceeds `limit`, the end of the containing message.
   */
  nestedEnd(limit: number): number {
    const length = this.varint();
    const end = this.pos + length;
    if (end > limit) throw new RangeError("a field is longer than its message");
    return end;
  }

  /** Reads an int64. Above 2^53 it is rounded. */
  int64AsNumber(): number {
    let value = 0;
    let at = this.pos;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.source[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      this.pos = at;
      return value;
    }
    return Number(this.int64());
  }

  /** Throws if the last value of the message that ends at `end` exceeds the end. */
  checkEnd(end: number): void {
    if (this.pos > end) throw new RangeError("a field is longer than its message");
  }

  /** Skips the value that follows `tag`. `BinaryReader.skip` would create a view of the skipped bytes. */
  skipValue(tag: number, limit: number): void {
    const wireType = wireTypeOf(tag);
    switch (wireType) {
      case undefined:
        throw new RangeError(`the tag ${tag} has no wire type`);
      case WireType.LengthDelimited:
        this.pos = this.nestedEnd(limit);
        return;
      case WireType.Varint:
        while ((this.source[this.pos] ?? 0) >= 0x80) this.pos += 1;
        this.pos += 1;
        break;
      case WireType.Bit64:
        this.pos += 8;
        break;
      case WireType.Bit32:
        this.pos += 4;
        break;
      default:
        this.skip(wireType, tag >>> 3);
    }
    this.checkEnd(limit);
  }
}

/** The bytes of all values of a message or string field, in order. */
export function* fieldValues(message: Uint8Array, field: number): Generator<Uint8Array, void> {
  const reader = new WireReader(message);
  while (reader.pos < reader.len) {
    const tag = reader.varint();
    if (tag === tagOf(field, WireType.LengthDelimited)) yield reader.bytes();
    else reader.skipValue(tag, reader.len);
  }
}

/** The last value of a message or string field, which is the one that counts (protobuf encoding). */
export function lastValue(message: Uint8Array, field: number): Uint8Array | undefined {
  let last: Uint8Array | undefined;
  for (const value of fieldValues(message, field)) last = value;
  return last;
}

/** The text of a string field; empty if it is absent. */
export function textOf(message: Uint8Array, field: number): string {
  const value = lastValue(message, field);
  return value === undefined ? "" : Buffer.from(value.buffer, value.byteOffset, value.length).toString();
}
