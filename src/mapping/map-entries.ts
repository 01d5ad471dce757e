import { WireType } from "@bufbuild/protobuf/wire";
import { keyTag } from "./struct-tags.ts";
import { wireTypeOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

/** The positions of key and value in an entry of a map with string keys. An absent key or value is empty. */
export interface MapEntry {
  /** The key, once something needed it as a string. */
  key: string | undefined;
  /** The position of the key's length; undefined if the key is absent. */
  readonly keyAt: number | undefined;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly start: number;
  readonly end: number;
}

/** Reads the entry that ends at `end`. `start` is after the tag of the value, and after its length if it has one. */
export function readMapEntry(reader: WireReader, end: number, valueTag: number): MapEntry {
  let keyAt: number | undefined;
  let keyStart = end;
  let keyEnd = end;
  let start = end;
  let valueEnd = end;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === keyTag) {
      keyAt = reader.pos;
      keyEnd = reader.nestedEnd(end);
      keyStart = reader.pos;
      reader.pos = keyEnd;
    } else if (tag !== valueTag) reader.skipValue(tag, end);
    else if (wireTypeOf(tag) === WireType.LengthDelimited) {
      valueEnd = reader.nestedEnd(end);
      start = reader.pos;
      reader.pos = valueEnd;
    } else {
      start = reader.pos;
      reader.skipValue(tag, end);
      valueEnd = reader.pos;
    }
  }
  return { key: undefined, keyAt, keyStart, keyEnd, start, end: valueEnd };
}

/** Whether the keys are sorted and distinct. */
export function isSorted(reader: WireReader, entries: readonly MapEntry[]): boolean {
  let last: MapEntry | undefined;
  for (const entry of entries) {
    if (last !== undefined && !isBefore(reader, last, entry)) return false;
    last = entry;
  }
  return true;
}

/** Whether key `a` sorts before key `b`, as strings do in JavaScript. Decodes them only if they are not ASCII. */
function isBefore(reader: WireReader, a: MapEntry, b: MapEntry): boolean {
  const { source } = reader;
  const lengthOfA = a.keyEnd - a.keyStart;
  const lengthOfB = b.keyEnd - b.keyStart;
  for (let index = 0; index < lengthOfA && index < lengthOfB; index += 1) {
    const inA = source[a.keyStart + index] ?? 0;
    const inB = source[b.keyStart + index] ?? 0;
    if (inA >= 0x80 || inB >= 0x80) return keyOf(reader, a) < keyOf(reader, b);
    if (inA !== inB) return inA < inB;
  }
  return lengthOfA < lengthOfB;
}

/** The entries, sorted by key. The last entry of a repeated key wins. */
export function sorted(reader: WireReader, entries: readonly MapEntry[]): MapEntry[] {
  const byKey = new Map(entries.map((entry) => [keyOf(reader, entry), entry]));
  return [...byKey.values()].sort((a, b) => (keyOf(reader, a) < keyOf(reader, b) ? -1 : 1));
}

/** The key as a string. */
export function keyOf(reader: WireReader, entry: MapEntry): string {
  return (entry.key ??= readKey(reader, entry));
}

function readKey(reader: WireReader, { keyAt }: MapEntry): string {
  if (keyAt === undefined) return "";
  reader.pos = keyAt;
  return reader.string();
}
