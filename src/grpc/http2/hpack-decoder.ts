import { fieldSize, fieldViolation } from "./header-fields.ts";
import { staticTable } from "./hpack-static-table.ts";
import type { HeaderField } from "./hpack-static-table.ts";
import { decodeHuffman } from "./huffman.ts";

/** The peer's block cannot be decoded; the connection must end with COMPRESSION_ERROR (RFC 9113 §4.3). */
export class CompressionError extends Error {
  override readonly name = "CompressionError";
}

/** A decoded block. It may be shared and is never changed. */
export interface HeaderBlock {
  /** The value of `:status`; undefined if there is none. */
  readonly status: number | undefined;
  /** By lower-case name, without prototype; values of equal names are joined with ", ". */
  readonly fields: Readonly<Record<string, string>>;
  /**
   * Why the block is malformed as a response or as trailers (RFC 9113 §8.2, §8.3), or that its list is larger than the
   * limit: the first violation. Malformed fields and those above the limit are missing.
   */
  readonly violation: { readonly kind: "malformed" | "too-large"; readonly message: string } | undefined;
}

/** The default of SETTINGS_HEADER_TABLE_SIZE (RFC 9113 §6.5.2), which the client never changes. */
const maxTableSize = 4096;

/** As many as fit into the table: an entry has at least 32 bytes (RFC 7541 §4.1). A power of two. */
const maxEntries = maxTableSize / fieldSize("", "");

const maxRememberedBlocks = 8;
const maxRememberedBytes = 256;

/** A name in a message has at most this length. */
const maxNameLength = 64;

interface Entry extends HeaderField {
  readonly size: number;
  /** Found out once for all blocks with this entry. */
  readonly violation: string | undefined;
}

function createEntry(name: string, value: string): Entry {
  return { name, value, size: fieldSize(name, value), violation: fieldViolation(name, value) };
}

const staticEntries = staticTable.map(({ name, value }) => createEntry(name, value));

/** Decodes the header blocks that one peer sends (RFC 7541). */
export class HpackDecoder {
  readonly #maxListBytes: number;
  readonly #table = new DynamicTable();
  readonly #remembered = new RememberedBlocks();
  #at = 0;
  #end = 0;

  /** `maxListBytes` is the limit of a header list (RFC 9113 §6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE). */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /**
   * Decodes a whole block and keeps no reference to `bytes`. Throws a CompressionError if RFC 7541 forbids the block.
   * After any other violation it decodes the rest too, so that the table stays equal to the peer's.
   */
  decode(bytes: Buffer, start: number, end: number): HeaderBlock {
    const remembered = this.#remembered.find(bytes, start, end);
    if (remembered !== undefined) return remembered;
    this.#at = start;
    this.#end = end;
    const { changes } = this.#table;
    this.#readSizeUpdates(bytes);
    const block = new DecodedBlock();
    let listBytes = 0;
    while (this.#at < end) {
      const entry = this.#readField(bytes);
      listBytes += entry.size;
      if (listBytes <= this.#maxListBytes) block.add(entry);
      else
        block.violation ??= {
          kind: "too-large",
          message: `the header list is larger than ${this.#maxListBytes} bytes`,
        };
    }
    if (this.#table.changes !== changes) this.#remembered.clear();
    else if (listBytes <= maxTableSize) this.#remembered.add(bytes, start, end, block);
    return block;
  }

  /** Size updates come before all fields (RFC 7541 §4.2). */
  #readSizeUpdates(bytes: Buffer): void {
    while (this.#at < this.#end && ((bytes[this.#at] ?? 0) & 0xe0) === 0x20) {
      const size = this.#readInteger(bytes, 5);
      if (size > maxTableSize)
        throw new CompressionError(`table size ${size} is larger than ${maxTableSize}`);
      this.#table.resize(size);
    }
  }

  /** Reads one of the representations of RFC 7541 §6. */
  #readField(bytes: Buffer): Entry {
    const first = bytes[this.#at] ?? 0;
    if (first >= 0x80) return this.#entryAt(this.#readInteger(bytes, 7));
    if (first >= 0x40) {
      const entry = this.#readLiteral(bytes, 6);
      this.#table.insert(entry);
      return entry;
    }
    if (first >= 0x20) throw new CompressionError("a table size update follows a field");
    return this.#readLiteral(bytes, 4);
  }

  #entryAt(index: number): Entry {
    const { length } = staticEntries;
    const entry = index > length ? this.#table.at(index - length - 1) : staticEntries[index - 1];
    if (entry === undefined) throw new CompressionError(`there is no entry with index ${index}`);
    return entry;
  }

  #readLiteral(bytes: Buffer, prefixBits: number): Entry {
    const index = this.#readInteger(bytes, prefixBits);
    const name = index === 0 ? this.#readString(bytes) : this.#entryAt(index).name;
    return createEntry(name, this.#readString(bytes));
  }

  #readString(bytes: Buffer): string {
    const isHuffman = ((bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#readInteger(bytes, 7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw new CompressionError("the block ends within a string");
    this.#at = end;
    const text = isHuffman ? decodeHuffman(bytes, start, end) : bytes.toString("latin1", start, end);
    if (text === undefined) throw new CompressionError("a string has invalid Huffman coding");
    return text;
  }

  /** Reads an integer (RFC 7541 §5.1) of at most four bytes after the prefix. */
  #readInteger(bytes: Buffer, prefixBits: number): number {
    const max = (1 << prefixBits) - 1;
    let value = this.#readByte(bytes) & max;
    if (value < max) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#readByte(bytes);
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new CompressionError("an integer is too large");
  }

  #readByte(bytes: Buffer): number {
    const byte = this.#at < this.#end ? bytes[this.#at] : undefined;
    if (byte === undefined) throw new CompressionError("the block ends within a field");
    this.#at += 1;
    return byte;
  }
}

/** The entries that the peer has added, in a ring (RFC 7541 §2.3.2). */
class DynamicTable {
  readonly #ring = new Array<Entry | undefined>(maxEntries).fill(undefined);
  #newest = 0;
  #count = 0;
  #size = 0;
  #maxSize = maxTableSize;
  /** How often the table was changed. */
  changes = 0;

  /** The newest entry is at 0. */
  at(position: number): Entry | undefined {
    return position < this.#count ? this.#ring[(this.#newest - position) & (maxEntries - 1)] : undefined;
  }

  /** An entry that is larger than the table empties it (RFC 7541 §4.4). */
  insert(entry: Entry): void {
    this.changes += 1;
    this.#evictUntil(this.#maxSize - entry.size);
    if (entry.size > this.#maxSize) return;
    this.#newest = (this.#newest + 1) & (maxEntries - 1);
    this.#ring[this.#newest] = entry;
    this.#count += 1;
    this.#size += entry.size;
  }

  resize(maxSize: number): void {
    this.changes += 1;
    this.#maxSize = maxSize;
    this.#evictUntil(maxSize);
  }

  #evictUntil(size: number): void {
    while (this.#count > 0 && this.#size > size) {
      this.#count -= 1;
      const oldest = (this.#newest - this.#count) & (maxEntries - 1);
      this.#size -= this.#ring[oldest]?.size ?? 0;
      this.#ring[oldest] = undefined;
    }
  }
}

class DecodedBlock implements HeaderBlock {
  status: number | undefined = undefined;
  readonly fields = Object.create(null) as Record<string, string>;
  violation: HeaderBlock["violation"] = undefined;
  #hasFields = false;

  add({ name, value, violation }: Entry): void {
    if (violation !== undefined) return this.#malformed(violation, name);
    if (name === ":status") return this.#setStatus(value);
    this.#hasFields = true;
    const before = this.fields[name];
    this.fields[name] = before === undefined ? value : `${before}, ${value}`;
  }

  #setStatus(value: string): void {
    if (this.status !== undefined) this.#malformed("repeated pseudo-header", ":status");
    else if (this.#hasFields) this.#malformed("pseudo-header after fields", ":status");
    else this.status = Number(value);
  }

  #malformed(reason: string, name: string): void {
    // JSON copies the start of the name, which otherwise would keep all of it in memory.
    this.violation ??= {
      kind: "malformed",
      message: `${reason}: ${JSON.stringify(name.slice(0, maxNameLength))}`,
    };
  }
}

/** The latest blocks that did not change the table, by their bytes. Servers send the same few blocks for most calls. */
class RememberedBlocks {
  readonly #bytes = Buffer.allocUnsafeSlow(maxRememberedBlocks * maxRememberedBytes);
  readonly #lengths: number[] = [];
  readonly #blocks: HeaderBlock[] = [];
  #next = 0;

  find(bytes: Buffer, start: number, end: number): HeaderBlock | undefined {
    for (let slot = 0; slot < this.#blocks.length; slot += 1)
      if (this.#lengths[slot] === end - start && this.#hasBytes(slot, bytes, start, end))
        return this.#blocks[slot];
    return undefined;
  }

  #hasBytes(slot: number, bytes: Buffer, start: number, end: number): boolean {
    const remembered = this.#bytes;
    let at = slot * maxRememberedBytes;
    for (let index = start; index < end; index += 1) if (remembered[at++] !== bytes[index]) return false;
    return true;
  }

  /** Replaces the oldest of 8. Ignores long blocks. */
  add(bytes: Buffer, start: number, end: number, block: HeaderBlock): void {
    if (end - start > maxRememberedBytes) return;
    bytes.copy(this.#bytes, this.#next * maxRememberedBytes, start, end);
    this.#lengths[this.#next] = end - start;
    this.#blocks[this.#next] = block;
    this.#next = (this.#next + 1) % maxRememberedBlocks;
  }

  clear(): void {
    this.#blocks.length = 0;
    this.#next = 0;
  }
}
