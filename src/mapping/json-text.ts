import { isUtf8 } from "node:buffer";

/** Smallest and largest piece of memory that text is written into, in bytes. */
const firstSegmentBytes = 1024;
const maxSegmentBytes = 64 * 1024;

const quote = 0x22;
const backslash = 0x5c;

/** Most values that are noted of one text. */
const maxNoted = 10;

/**
 * Escapes of the bytes that JSON text cannot hold as they are (RFC 8259 §7), by their code, as `JSON.stringify` writes
 * them.
 */
const escapes: readonly string[] = Array.from({ length: 0x20 }, (_, code) =>
  JSON.stringify(String.fromCharCode(code)).slice(1, -1),
);

/**
 * Line breaks that JSON allows in a string and that some clients split the lines of an event stream at: U+0085, U+2028
 * and U+2029.
 */
const lineBreaks = /[\x85\u2028\u2029]/g;

/** `JSON.stringify`, on one line for every client. */
export function singleLineJson(value: unknown): string {
  return JSON.stringify(value).replace(
    lineBreaks,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value of the orchestrator that JSON cannot tell as it came, by the name of its field. */
interface UnusableValue {
  readonly field: string;
  workflowId: string | undefined;
}

/** JSON text in UTF-8, on one line, as it is written: its memory is about its length, whatever it is made of. */
export class JsonText {
  readonly #full: Buffer[] = [];
  #segment = Buffer.allocUnsafe(firstSegmentBytes);
  #at = 0;
  #fullBytes = 0;
  readonly #unusable: UnusableValue[] = [];

  /** Bytes so far. */
  get length(): number {
    return this.#fullBytes + this.#at;
  }

  /** Writes ASCII that is JSON already. */
  ascii(text: string): void {
    const { length } = text;
    this.#reserve(length);
    const segment = this.#segment;
    let at = this.#at;
    for (let index = 0; index < length; index += 1) segment[at++] = text.charCodeAt(index);
    this.#at = at;
  }

  /** Writes a string. */
  string(value: string): void {
    const text = singleLineJson(value);
    this.#reserve(3 * text.length);
    this.#at += this.#segment.write(text, this.#at);
  }

  /** Writes the string whose UTF-8 is `bytes[start]` to `bytes[end - 1]`; what is no UTF-8 becomes U+FFFD. */
  utf8(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start + 2);
    const segment = this.#segment;
    let at = this.#at;
    segment[at++] = quote;
    let index = start;
    for (; index < end; index += 1) {
      const byte = bytes[index] ?? 0;
      if (byte < 0x20 || byte === quote || byte === backslash || byte >= 0x80) break;
      segment[at++] = byte;
    }
    if (index < end) {
      // All of it once more, by a way that takes longer: nothing is kept of what was written here.
      this.#escaped(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start));
      return;
    }
    segment[at++] = quote;
    this.#at = at;
  }

  /** Notes that the value of a field cannot be told as it came. */
  noteUnusable(field: string): void {
    if (this.#unusable.length < maxNoted) this.#unusable.push({ field, workflowId: undefined });
  }

  /** Says of which workflow the values are that were noted and are of none yet. */
  assignUnusable(workflowId: () => string): void {
    if (this.#unusable.at(-1)?.workflowId !== undefined) return;
    const id = this.#unusable.length === 0 ? "" : workflowId();
    for (const value of this.#unusable) value.workflowId ??= id;
  }

  /** The values that could not be told as they came. */
  get unusable(): readonly Readonly<UnusableValue>[] {
    return this.#unusable;
  }

  /** All that was written, in order. */
  segments(): readonly Buffer[] {
    return [...this.#full, this.#segment.subarray(0, this.#at)];
  }

  #escaped(bytes: Buffer): void {
    if (!isUtf8(bytes)) return this.string(bytes.toString());
    this.ascii('"');
    let from = 0;
    for (let index = 0; index < bytes.length; index += 1) {
      const byte = bytes[index] ?? 0;
      const escape =
        byte < 0x20
          ? escapes[byte]
          : byte === quote
            ? '\\"'
            : byte === backslash
              ? "\\\\"
              : lineBreakAt(bytes, index);
      if (escape === undefined) continue;
      this.#copy(bytes, from, index);
      this.ascii(escape);
      if (byte >= 0x80) index += byte === 0xc2 ? 1 : 2;
      from = index + 1;
    }
    this.#copy(bytes, from, bytes.length);
    this.ascii('"');
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    this.#at += bytes.copy(this.#segment, this.#at, start, end);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#segment.length) return;
    const { length } = this.#segment;
    if (this.#at > 0) this.#full.push(this.#segment.subarray(0, this.#at));
    this.#fullBytes += this.#at;
    this.#at = 0;
    this.#segment = Buffer.allocUnsafe(Math.max(bytes, Math.min(4 * length, maxSegmentBytes)));
  }
}

/** The escape of a line break of two or three bytes that begins at `index`. */
function lineBreakAt(bytes: Buffer, index: number): string | undefined {
  const byte = bytes[index];
  if (byte === 0xc2) return bytes[index + 1] === 0x85 ? "\\u0085" : undefined;
  if (byte !== 0xe2 || bytes[index + 1] !== 0x80) return undefined;
  if (bytes[index + 2] === 0xa8) return "\\u2028";
  return bytes[index + 2] === 0xa9 ? "\\u2029" : undefined;
}
