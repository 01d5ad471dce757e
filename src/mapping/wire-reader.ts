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

/** Reads the protobuf wire format of a message and its nested messages in place, without creating them. */
export class WireReader extends BinaryReader {
  readonly source: Uint8Array;

  constructor(source: Uint8Array) {
    super(source);
    this.source = source;
  }

  /**
   * Reads the length of a nested message, string or map entry, and returns the position of its end. Throws if the end
   * exceeds `limit`, the end of the containing message.
   */
  nestedEnd(limit: number): number {
    const length = this.uint32();
    const end = this.pos + length;
    if (end > limit) throw new RangeError("a field is longer than its message");
    return end;
  }

  /** Throws if the last value of the message that ends at `end` exceeds the end. */
  checkEnd(end: number): void {
    if (this.pos > end) throw new RangeError("a field is longer than its message");
  }

  /** Skips the value that follows `tag`. */
  skipValue(tag: number, limit: number): void {
    const wireType = wireTypes[tag & 7];
    if (wireType === undefined) throw new RangeError(`the tag ${tag} has no wire type`);
    if (wireType === WireType.LengthDelimited) this.pos = this.nestedEnd(limit);
    else this.skip(wireType, tag >>> 3);
    this.checkEnd(limit);
  }
}

/** The bytes of all values of a message or string field, in order. */
export function* fieldValues(message: Uint8Array, field: number): Generator<Uint8Array, void> {
  const reader = new WireReader(message);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === tagOf(field, WireType.LengthDelimited)) yield reader.bytes();
    else reader.skipValue(tag, reader.len);
  }
}
