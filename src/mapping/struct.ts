import type { JsonText } from "./json-text.ts";
import { entryTag, keyTag, kind, valueTag } from "./struct-tags.ts";
import type { WireReader } from "./wire.ts";

const kinds: ReadonlySet<number> = new Set(Object.values(kind));

/** A larger Struct, list or value takes more than one step, in bytes. */
const stepBytes = 64 * 1024;

/** Entries that are put in order in one step. */
const stepEntries = 4096;

/** Deepest nesting that is read: far more than a submission may have, and than protobuf decoders accept. */
const maxDepth = 200;

/** Most entries of one Struct: more than a submission of 1 MiB can have. */
const maxEntries = 262_144;

/** One entry of a map: its key, and where key and value are. */
interface Entry {
  readonly key: string;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Writes the `google.protobuf.Struct` that ends at `end` as a JSON object, with its keys in order, since a map has none:
 * the same Struct is always the same text. No value is made in between; the Struct of a request may hold hundreds of
 * thousands of them.
 */
export function writeStruct(reader: WireReader, end: number, out: JsonText, depth = 0): void {
  const found: Entry[] = [];
  while (reader.pos < end) {
    const entry = readNext(reader, end);
    if (entry !== undefined) found.push(entry);
  }
  out.ascii("{");
  let separator = "";
  for (const entry of isInOrder(found) ? found : inOrder(found)) {
    writeKey(reader, entry, out, separator);
    separator = ",";
    writeValue(reader, entry.end, out, depth);
  }
  out.ascii("}");
  reader.pos = end;
}

/** The same in short steps, for one that takes long. */
export function* writeStructInSteps(
  reader: WireReader,
  end: number,
  out: JsonText,
  depth = 0,
): Generator<void, void> {
  if (end - reader.pos <= stepBytes) return writeStruct(reader, end, out, depth);
  const found: Entry[] = [];
  for (let stepEnd = reader.pos + stepBytes; reader.pos < end;) {
    const entry = readNext(reader, end);
    if (entry !== undefined && found.push(entry) > maxEntries)
      throw new RangeError(`a Struct has more than ${maxEntries} entries`);
    if (reader.pos < stepEnd) continue;
    stepEnd = reader.pos + stepBytes;
    yield;
  }
  const entries = isInOrder(found) ? found : yield* inOrderInSteps(found);
  out.ascii("{");
  let separator = "";
  let written = 0;
  for (const entry of entries) {
    writeKey(reader, entry, out, separator);
    separator = ",";
    if (entry.end - entry.start > stepBytes) yield* writeValueInSteps(reader, entry.end, out, depth);
    else writeValue(reader, entry.end, out, depth);
    written += entry.end - entry.keyStart;
    if (written < stepBytes) continue;
    written = 0;
    yield;
  }
  out.ascii("}");
  reader.pos = end;
}

/** The entry that the reader is at; undefined for another field, which is passed over. */
function readNext(reader: WireReader, end: number): Entry | undefined {
  const tag = reader.uint32();
  if (tag === entryTag) return readEntry(reader, reader.nestedEnd(end));
  reader.skipValue(tag, end);
  return undefined;
}

/** Writes a key, and leaves the reader at its value. */
function writeKey(reader: WireReader, entry: Entry, out: JsonText, separator: string): void {
  out.ascii(separator);
  out.utf8(reader.source, entry.keyStart, entry.keyEnd);
  out.ascii(":");
  reader.pos = entry.start;
}

function readEntry(reader: WireReader, end: number): Entry {
  let name = "";
  let keyStart = end;
  let keyEnd = end;
  let start = end;
  let valueEnd = end;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === keyTag) {
      const at = reader.pos;
      keyEnd = reader.nestedEnd(end);
      keyStart = reader.pos;
      reader.pos = at;
      name = reader.string();
    } else if (tag === valueTag) {
      valueEnd = reader.nestedEnd(end);
      start = reader.pos;
      reader.pos = valueEnd;
    } else reader.skipValue(tag, end);
  }
  return { key: name, keyStart, keyEnd, start, end: valueEnd };
}

/** Whether the keys rise. */
function isInOrder(found: readonly Entry[]): boolean {
  let last: Entry | undefined;
  for (const entry of found) {
    if (last !== undefined && last.key >= entry.key) return false;
    last = entry;
  }
  return true;
}

/** The entries by their keys, each once: of a key that is there twice, the last one counts. */
function inOrder(found: readonly Entry[]): Entry[] {
  const byKey = new Map(found.map((entry) => [entry.key, entry]));
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The same in short steps: by merging parts that are in order. */
function* inOrderInSteps(found: readonly Entry[]): Generator<void, Entry[]> {
  let parts: Entry[][] = [];
  for (let start = 0; start < found.length; start += stepEntries) {
    parts.push(inOrder(found.slice(start, start + stepEntries)));
    yield;
  }
  while (parts.length > 1) {
    const merged: Entry[][] = [];
    for (let index = 0; index < parts.length; index += 2)
      merged.push(yield* mergeInSteps(parts[index] ?? [], parts[index + 1] ?? []));
    parts = merged;
  }
  return parts[0] ?? [];
}

/** What is in either list, in order; of a key that both have, the entry of the later one. */
function* mergeInSteps(earlier: readonly Entry[], later: readonly Entry[]): Generator<void, Entry[]> {
  const merged: Entry[] = [];
  let at = 0;
  for (const entry of later) {
    for (let other = earlier[at]; other !== undefined && other.key <= entry.key; other = earlier[at]) {
      if (other.key < entry.key) merged.push(other);
      at += 1;
    }
    merged.push(entry);
    if (merged.length % stepEntries === 0) yield;
  }
  return [...merged, ...earlier.slice(at)];
}

/** What kind of value ends at `end`, 0 for none that is known; leaves the reader at it. */
function findKind(reader: WireReader, end: number, depth: number): number {
  if (depth > maxDepth) throw new RangeError(`a Struct is nested deeper than ${maxDepth} levels`);
  let found = 0;
  let start = end;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (kinds.has(tag)) {
      found = tag;
      start = reader.pos;
    }
    reader.skipValue(tag, end);
  }
  reader.pos = start;
  return found;
}

function writeValue(reader: WireReader, end: number, out: JsonText, depth: number): void {
  const found = findKind(reader, end, depth);
  switch (found) {
    case kind.number:
      out.ascii(numberText(reader.double()));
      break;
    case kind.string: {
      const stringEnd = reader.nestedEnd(end);
      out.utf8(reader.source, reader.pos, stringEnd);
      break;
    }
    case kind.bool:
      out.ascii(reader.bool() ? "true" : "false");
      break;
    case kind.struct:
      writeStruct(reader, reader.nestedEnd(end), out, depth + 1);
      break;
    case kind.list:
      writeList(reader, reader.nestedEnd(end), out, depth + 1);
      break;
    // A null, one of a kind that is not known, and none at all.
    default:
      out.ascii("null");
  }
  reader.pos = end;
}

function writeList(reader: WireReader, end: number, out: JsonText, depth: number): void {
  out.ascii("[");
  let isFirst = true;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag !== entryTag) {
      reader.skipValue(tag, end);
      continue;
    }
    if (!isFirst) out.ascii(",");
    isFirst = false;
    writeValue(reader, reader.nestedEnd(end), out, depth);
  }
  out.ascii("]");
}

function* writeValueInSteps(
  reader: WireReader,
  end: number,
  out: JsonText,
  depth: number,
): Generator<void, void> {
  const start = reader.pos;
  const found = findKind(reader, end, depth);
  if (found === kind.struct) yield* writeStructInSteps(reader, reader.nestedEnd(end), out, depth + 1);
  else if (found === kind.list) yield* writeListInSteps(reader, reader.nestedEnd(end), out, depth + 1);
  else {
    reader.pos = start;
    writeValue(reader, end, out, depth);
  }
  reader.pos = end;
}

function* writeListInSteps(
  reader: WireReader,
  end: number,
  out: JsonText,
  depth: number,
): Generator<void, void> {
  out.ascii("[");
  let isFirst = true;
  for (let stepEnd = reader.pos + stepBytes; reader.pos < end;) {
    const tag = reader.uint32();
    if (tag !== entryTag) {
      reader.skipValue(tag, end);
      continue;
    }
    if (!isFirst) out.ascii(",");
    isFirst = false;
    const itemEnd = reader.nestedEnd(end);
    if (itemEnd - reader.pos > stepBytes) yield* writeValueInSteps(reader, itemEnd, out, depth);
    else writeValue(reader, itemEnd, out, depth);
    if (reader.pos < stepEnd) continue;
    stepEnd = reader.pos + stepBytes;
    yield;
  }
  out.ascii("]");
}

/** As JSON writes a number; null where it has none for it. */
function numberText(number: number): string {
  return Number.isFinite(number) ? String(number) : "null";
}
