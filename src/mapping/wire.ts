import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** What comes before a value: the number of its field, and its wire type. */
export function tagOf(field: number, wireType: WireType): number {
  return (field << 3) | wireType;
}

/** By their numbers. */
const wireTypes: readonly WireType[] = [
  WireType.Varint,
  WireType.Bit64,
  WireType.LengthDelimited,
  WireType.StartGroup,
  WireType.EndGroup,
  WireType.Bit32,
];

/** Reads a message from its bytes, and the messages in it at their places, without making any of them. */
export class WireReader extends BinaryReader {
  /** All that is read. */
  readonly source: Uint8Array;

  constructor(source: Uint8Array) {
    super(source);
    this.source = source;
  }

  /**
   * Reads the length of a message, string or map entry, and returns the position at which it ends. Throws where that lies
   * beyond `limit`, the end of what contains it.
   */
  nestedEnd(limit: number): number {
    const length = this.uint32();
    const end = this.pos + length;
    if (end > limit) throw new RangeError("a field is longer than its message");
    return end;
  }

  /** Says that all of a message is read that ends at `end`. Throws where its last value went beyond that. */
  endAt(end: number): void {
    if (this.pos > end) throw new RangeError("a field is longer than its message");
  }

  /** Passes over the value that follows `tag`, without looking into it. */
  skipValue(tag: number, limit: number): void {
    const wireType = wireTypes[tag & 7];
    if (wireType === undefined) throw new RangeError(`the tag ${tag} has no wire type`);
    if (wireType === WireType.LengthDelimited) this.pos = this.nestedEnd(limit);
    else this.skip(wireType, tag >>> 3);
    this.endAt(limit);
  }
}

/** The values of a field that holds messages or strings, in order; nothing of them is decoded. */
export function* valuesOf(message: Uint8Array, field: number): Generator<Uint8Array, void> {
  const reader = new WireReader(message);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === tagOf(field, WireType.LengthDelimited)) yield reader.bytes();
    else reader.skipValue(tag, reader.len);
  }
}
