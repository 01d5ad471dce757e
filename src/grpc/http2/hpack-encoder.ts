import { fieldName, fieldSize } from "./header-fields.ts";
import { fieldKey, staticIndexes, staticTable } from "./hpack-static-table.ts";

/** The most bytes of the peer's table that are used: the default of SETTINGS_HEADER_TABLE_SIZE (RFC 9113 §6.5.2). */
const maxTableSize = 4096;

/** A larger entry is not added: it would stay in the table and leave little room for others. */
const maxEntrySize = 512;

const maxRememberedPaths = 64;

/** More than what a field adds to its name and value: an index and two lengths. */
const fieldOverhead = 16;

/** More than two table size updates and the overhead of `:path`. */
const blockOverhead = 32;

/** Visible ASCII, with spaces and tabs inside (RFC 9110 §5.5). */
const asciiValue = /^(?:[!-~](?:[\t -~]*[!-~])?)?$/;

/** Throws a TypeError that names the first field whose name or value cannot be sent. */
export function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const name in headers) {
    if (!fieldName.test(name)) throw new TypeError(`the name of header ${JSON.stringify(name)} is invalid`);
    if (!asciiValue.test(headers[name] ?? "")) throw new TypeError(`the value of header ${name} is invalid`);
  }
}

/**
 * Encodes the header blocks of the requests to one peer (RFC 7541). Fields that every request has, and paths, are added
 * to the peer's table. Other headers are sent as literals; only their names are in the table, with the value of the
 * first request. Once the table is full, nothing is added: no entry is ever evicted.
 */
export class HpackEncoder {
  readonly #fixed: readonly (readonly [name: string, value: string])[];
  readonly #fixedLength: number;
  /** How many entries were added before each field and before the first entry of each name. */
  readonly #entries = new Map<string, number>();
  readonly #blocksByPath = new Map<string, Uint8Array>();
  #count = 0;
  #size = 0;
  #maxSize = maxTableSize;
  /** The maximum that the peer's decoder knows. */
  #sentMaxSize = maxTableSize;
  #mustEmpty = false;

  /** `fixed` are the fields that every request has, pseudo-headers first, without `:path`. */
  constructor(fixed: Readonly<Record<string, string>>) {
    this.#fixed = Object.entries(fixed);
    this.#fixedLength = blockOverhead + maxLengthOf(fixed);
  }

  /** Takes the peer's SETTINGS_HEADER_TABLE_SIZE. A smaller one empties the table before the next block. */
  setMaxTableSize(size: number): void {
    const maxSize = Math.min(size, maxTableSize);
    if (maxSize < this.#maxSize) {
      this.#entries.clear();
      this.#count = 0;
      this.#size = 0;
      this.#mustEmpty = true;
    }
    this.#maxSize = maxSize;
    this.#blocksByPath.clear();
  }

  /** An upper bound of the bytes of a block. */
  maxLength(path: string, headers: Readonly<Record<string, string>>): number {
    return this.#fixedLength + path.length + maxLengthOf(headers);
  }

  /**
   * Writes a block to `out` at `at`, where `maxLength` bytes must be free, and returns its end. The path must be ASCII,
   * and `checkHeaders` must allow the headers.
   */
  encode(out: Buffer, at: number, path: string, headers: Readonly<Record<string, string>>): number {
    let end = this.#writeSizeUpdates(out, at);
    const remembered = this.#blocksByPath.get(path);
    if (remembered === undefined) end = this.#writeFixed(out, end, path);
    else {
      out.set(remembered, end);
      end += remembered.length;
    }
    for (const name in headers) end = this.#writeLiteral(out, end, name, headers[name] ?? "", false);
    return end;
  }

  /** The first block after a change of the maximum has its updates: the smallest, then the last (RFC 7541 §4.2). */
  #writeSizeUpdates(out: Buffer, at: number): number {
    let end = at;
    if (this.#mustEmpty) {
      end = writeInteger(out, end, 0x20, 5, 0);
      this.#sentMaxSize = 0;
      this.#mustEmpty = false;
    }
    if (this.#maxSize !== this.#sentMaxSize) {
      end = writeInteger(out, end, 0x20, 5, this.#maxSize);
      this.#sentMaxSize = this.#maxSize;
    }
    return end;
  }

  /** Writes the path and the fixed fields, and remembers their bytes if they do not change the table. */
  #writeFixed(out: Buffer, at: number, path: string): number {
    const countBefore = this.#count;
    let end = this.#writeIndexed(out, at, ":path", path);
    for (const [name, value] of this.#fixed) end = this.#writeIndexed(out, end, name, value);
    if (this.#count === countBefore && this.#blocksByPath.size < maxRememberedPaths)
      this.#blocksByPath.set(path, new Uint8Array(out.subarray(at, end)));
    return end;
  }

  #writeIndexed(out: Buffer, at: number, name: string, value: string): number {
    const index = this.#indexOf(fieldKey(name, value));
    if (index !== 0) return writeInteger(out, at, 0x80, 7, index);
    return this.#writeLiteral(out, at, name, value, true);
  }

  /** Adds the field to the table if there is room, and the field is fixed or no entry has its name. */
  #writeLiteral(out: Buffer, at: number, name: string, value: string, isFixed: boolean): number {
    const index = this.#indexOf(name);
    const size = fieldSize(name, value);
    const hasRoom = size <= maxEntrySize && this.#size + size <= this.#maxSize;
    const isAdded = (isFixed || index === 0) && hasRoom;
    let end = isAdded ? writeInteger(out, at, 0x40, 6, index) : writeInteger(out, at, 0, 4, index);
    if (index === 0) end = writeString(out, end, name);
    end = writeString(out, end, value);
    if (isAdded) this.#add(name, value, size);
    return end;
  }

  #add(name: string, value: string, size: number): void {
    if (this.#indexOf(name) === 0) this.#entries.set(name, this.#count);
    this.#entries.set(fieldKey(name, value), this.#count);
    this.#count += 1;
    this.#size += size;
    // Every index has changed.
    this.#blocksByPath.clear();
  }

  /** The index of a name or of the key of a field; 0 if it is in no table. */
  #indexOf(key: string): number {
    const entriesBefore = this.#entries.get(key);
    if (entriesBefore === undefined) return staticIndexes.get(key) ?? 0;
    return staticTable.length + this.#count - entriesBefore;
  }
}

function maxLengthOf(headers: Readonly<Record<string, string>>): number {
  let length = 0;
  for (const name in headers) length += fieldOverhead + name.length + (headers[name] ?? "").length;
  return length;
}

/** Writes an integer after the flags of its first byte (RFC 7541 §5.1). */
function writeInteger(out: Buffer, at: number, flags: number, prefixBits: number, value: number): number {
  const max = (1 << prefixBits) - 1;
  if (value < max) {
    out[at] = flags | value;
    return at + 1;
  }
  out[at] = flags | max;
  let end = at + 1;
  let rest = value - max;
  for (; rest >= 0x80; rest >>>= 7) out[end++] = (rest & 0x7f) | 0x80;
  out[end] = rest;
  return end + 1;
}

function writeString(out: Buffer, at: number, text: string): number {
  const start = writeInteger(out, at, 0, 7, text.length);
  return start + out.write(text, start, "latin1");
}
