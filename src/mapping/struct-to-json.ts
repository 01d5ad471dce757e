// This file is long because each function that writes has a second version in slices.

import type { JsonWriter } from "./json-writer.ts";
import { isSorted, keyOf, readMapEntry, sorted } from "./map-entries.ts";
import type { MapEntry } from "./map-entries.ts";
import { entryTag, kind, valueTag } from "./struct-tags.ts";
import type { WireReader } from "./wire-reader.ts";

const kinds: ReadonlySet<number> = new Set(Object.values(kind));

/** Larger Structs, lists and values are written in several slices, in bytes. */
const sliceBytes = 64 * 1024;

/** Entries that are sorted or merged in one slice. */
const sliceEntries = 4096;

/** Deepest nesting that is read: deeper than a submission may be, and than protobuf decoders accept. */
const maxDepth = 200;

/** The maximum number of entries of one Struct: at least as many as a submission may have. */
const maxEntries = 262_144;

/**
 * Writes the `google.protobuf.Struct` that ends at `end` as a JSON object. A map has no order, so the keys are sorted:
 * equal Structs have equal JSON. Creates no values in between, as a Struct may contain hundreds of thousands.
 */
export function writeStruct(reader: WireReader, end: number, out: JsonWriter, depth = 0): void {
  const found: MapEntry[] = [];
  while (reader.pos < end) {
    const entry = readNext(reader, end);
    if (entry !== undefined) found.push(entry);
  }
  out.writeAscii("{");
  let separator = "";
  for (const entry of isSorted(reader, found) ? found : sorted(reader, found)) {
    writeKey(reader, entry, out, separator);
    separator = ",";
    writeValue(reader, entry.end, out, depth);
  }
  out.writeAscii("}");
  reader.pos = end;
}

/** The same in short slices, for a large Struct. */
export function* writeStructInSlices(
  reader: WireReader,
  end: number,
  out: JsonWriter,
  depth = 0,
): Generator<void, void> {
  if (end - reader.pos <= sliceBytes) return writeStruct(reader, end, out, depth);
  const found: MapEntry[] = [];
  for (let sliceEnd = reader.pos + sliceBytes; reader.pos < end;) {
    const entry = readNext(reader, end);
    if (entry !== undefined && found.push(entry) > maxEntries)
      throw new RangeError(`a Struct has more than ${maxEntries} entries`);
    if (reader.pos < sliceEnd) continue;
    sliceEnd = reader.pos + sliceBytes;
    yield;
  }
  const entries = isSorted(reader, found) ? found : yield* sortedInSlices(reader, found);
  out.writeAscii("{");
  let separator = "";
  let written = 0;
  for (const entry of entries) {
    writeKey(reader, entry, out, separator);
    separator = ",";
    if (entry.end - entry.start > sliceBytes) yield* writeValueInSlices(reader, entry.end, out, depth);
    else writeValue(reader, entry.end, out, depth);
    written += entry.end - entry.keyStart;
    if (written < sliceBytes) continue;
    written = 0;
    yield;
  }
  out.writeAscii("}");
  reader.pos = end;
}

/** Reads the next field: an entry; undefined for an unknown field, which is skipped. */
function readNext(reader: WireReader, end: number): MapEntry | undefined {
  const tag = reader.varint();
  if (tag === entryTag) return readMapEntry(reader, reader.nestedEnd(end), valueTag);
  reader.skipValue(tag, end);
  return undefined;
}

/** Writes the key, and moves the reader to the value. */
function writeKey(reader: WireReader, entry: MapEntry, out: JsonWriter, separator: string): void {
  out.writeAscii(separator);
  out.writeUtf8(reader.source, entry.keyStart, entry.keyEnd);
  out.writeAscii(":");
  reader.pos = entry.start;
}

/** The same in short slices, as a merge sort. */
function* sortedInSlices(reader: WireReader, found: readonly MapEntry[]): Generator<void, MapEntry[]> {
  let parts: MapEntry[][] = [];
  for (let start = 0; start < found.length; start += sliceEntries) {
    parts.push(sorted(reader, found.slice(start, start + sliceEntries)));
    yield;
  }
  while (parts.length > 1) {
    const merged: MapEntry[][] = [];
    for (let index = 0; index < parts.length; index += 2)
      merged.push(yield* mergeInSlices(reader, parts[index] ?? [], parts[index + 1] ?? []));
    parts = merged;
  }
  return parts[0] ?? [];
}

/** Merges two sorted lists. For a key in both, the entry of `later` wins. */
function* mergeInSlices(
  reader: WireReader,
  earlier: readonly MapEntry[],
  later: readonly MapEntry[],
): Generator<void, MapEntry[]> {
  const merged: MapEntry[] = [];
  let at = 0;
  for (const entry of later) {
    const key = keyOf(reader, entry);
    for (let other = earlier[at]; other !== undefined; other = earlier[at]) {
      const otherKey = keyOf(reader, other);
      if (otherKey > key) break;
      if (otherKey < key) merged.push(other);
      at += 1;
    }
    merged.push(entry);
    if (merged.length % sliceEntries === 0) yield;
  }
  return [...merged, ...earlier.slice(at)];
}

/** The tag of the kind of the value that ends at `end`, 0 if unknown or absent. Moves the reader to the value. */
function findKind(reader: WireReader, end: number, depth: number): number {
  if (depth > maxDepth) throw new RangeError(`a Struct is nested deeper than ${maxDepth} levels`);
  let found = 0;
  let start = end;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (kinds.has(tag)) {
      found = tag;
      start = reader.pos;
    }
    reader.skipValue(tag, end);
  }
  reader.pos = start;
  return found;
}

function writeValue(reader: WireReader, end: number, out: JsonWriter, depth: number): void {
  const found = findKind(reader, end, depth);
  switch (found) {
    case kind.number:
      out.writeAscii(numberText(reader.double()));
      break;
    case kind.string: {
      const stringEnd = reader.nestedEnd(end);
      out.writeUtf8(reader.source, reader.pos, stringEnd);
      break;
    }
    case kind.bool:
      out.writeAscii(reader.bool() ? "true" : "false");
      break;
    case kind.struct:
      writeStruct(reader, reader.nestedEnd(end), out, depth + 1);
      break;
    case kind.list:
      writeList(reader, reader.nestedEnd(end), out, depth + 1);
      break;
    // A null, an unknown kind, or no kind.
    default:
      out.writeAscii("null");
  }
  reader.pos = end;
}

function writeList(reader: WireReader, end: number, out: JsonWriter, depth: number): void {
  out.writeAscii("[");
  let isFirst = true;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag !== entryTag) {
      reader.skipValue(tag, end);
      continue;
    }
    if (!isFirst) out.writeAscii(",");
    isFirst = false;
    writeValue(reader, reader.nestedEnd(end), out, depth);
  }
  out.writeAscii("]");
}

function* writeValueInSlices(
  reader: WireReader,
  end: number,
  out: JsonWriter,
  depth: number,
): Generator<void, void> {
  const start = reader.pos;
  const found = findKind(reader, end, depth);
  if (found === kind.struct) yield* writeStructInSlices(reader, reader.nestedEnd(end), out, depth + 1);
  else if (found === kind.list) yield* writeListInSlices(reader, reader.nestedEnd(end), out, depth + 1);
  else if (found === kind.string) {
    const stringEnd = reader.nestedEnd(end);
    yield* out.writeUtf8InSlices(reader.source, reader.pos, stringEnd);
  } else {
    reader.pos = start;
    writeValue(reader, end, out, depth);
  }
  reader.pos = end;
}

function* writeListInSlices(
  reader: WireReader,
  end: number,
  out: JsonWriter,
  depth: number,
): Generator<void, void> {
  out.writeAscii("[");
  let isFirst = true;
  for (let sliceEnd = reader.pos + sliceBytes; reader.pos < end;) {
    const tag = reader.varint();
    if (tag !== entryTag) {
      reader.skipValue(tag, end);
      continue;
    }
    if (!isFirst) out.writeAscii(",");
    isFirst = false;
    const itemEnd = reader.nestedEnd(end);
    if (itemEnd - reader.pos > sliceBytes) yield* writeValueInSlices(reader, itemEnd, out, depth);
    else writeValue(reader, itemEnd, out, depth);
    if (reader.pos < sliceEnd) continue;
    sliceEnd = reader.pos + sliceBytes;
    yield;
  }
  out.writeAscii("]");
}

/** The JSON of a number; null for NaN and the infinities. */
function numberText(number: number): string {
  return Number.isFinite(number) ? String(number) : "null";
}
