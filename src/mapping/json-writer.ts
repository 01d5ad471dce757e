import { isUtf8 } from "node:buffer";

/** Initial and largest size of the pieces that hold the text, in bytes. */
const firstPieceBytes = 1024;
const maxPieceBytes = 64 * 1024;

const quote = 0x22;
const backslash = 0x5c;

/** The maximum number of corrections that are recorded for one text. */
const maxCorrections = 10;

/** The escapes of control characters (RFC 8259 §7), indexed by code, in the form of `JSON.stringify`. */
const escapes: readonly string[] = Array.from({ length: 0x20 }, (_, code) =>
  JSON.stringify(String.fromCharCode(code)).slice(1, -1),
);

/** Line breaks that JSON allows in a string, but where some clients split the lines of an event stream. */
const lineBreaks = /[\x85\u2028\u2029]/g;

/** `JSON.stringify`, with all line breaks escaped. */
export function singleLineJson(value: unknown): string {
  return JSON.stringify(value).replace(
    lineBreaks,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value of the orchestrator that is replaced or left out because JSON or the contract cannot express it. */
interface Correction {
  /** The name of its field. */
  readonly field: string;
  readonly workflowId: string | undefined;
}

/** Writes JSON text on one line, in UTF-8. It takes about as much memory as the text has bytes. */
export class JsonWriter {
  readonly #full: Buffer[] = [];
  #piece = Buffer.allocUnsafe(firstPieceBytes);
  #at = 0;
  #fullBytes = 0;
  readonly #corrections: Correction[] = [];

  /** Bytes written so far. */
  get length(): number {
    return this.#fullBytes + this.#at;
  }

  /** Writes ASCII text that is already JSON. */
  writeAscii(text: string): void {
    const { length } = text;
    this.#reserve(length);
    const piece = this.#piece;
    let at = this.#at;
    for (let index = 0; index < length; index += 1) piece[at++] = text.charCodeAt(index);
    this.#at = at;
  }

  /** Writes JSON text that is already in UTF-8. For text that is written often, this is faster than `writeAscii`. */
  writeBytes(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.#reserve(end - start);
    const piece = this.#piece;
    let at = this.#at;
    for (let index = start; index < end; index += 1) piece[at++] = bytes[index] ?? 0;
    this.#at = at;
  }

  /** Takes back the brace that was written last, so that the object can get more members. */
  reopenObject(): void {
    this.#at -= 1;
  }

  /** Writes an integer from 0 on with this many digits, and an ASCII character after it. */
  writeDigits(value: number, count: number, after: string): void {
    this.#reserve(count + 1);
    const piece = this.#piece;
    const end = this.#at + count;
    let rest = value;
    for (let at = end - 1; at >= this.#at; at -= 1) {
      const tens = Math.trunc(rest / 10);
      piece[at] = 0x30 + rest - 10 * tens;
      rest = tens;
    }
    piece[end] = after.charCodeAt(0);
    this.#at = end + 1;
  }

  /** Writes a JSON string. */
  writeString(value: string): void {
    const text = singleLineJson(value);
    this.#reserve(3 * text.length);
    this.#at += this.#piece.write(text, this.#at);
  }

  /** Writes the UTF-8 from `start` to `end` as a JSON string. Invalid UTF-8 becomes U+FFFD. */
  writeUtf8(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start + 2);
    const piece = this.#piece;
    let at = this.#at;
    piece[at++] = quote;
    let index = start;
    for (; index < end; index += 1) {
      const byte = bytes[index] ?? 0;
      if (byte < 0x20 || byte === quote || byte === backslash || byte >= 0x80) break;
      piece[at++] = byte;
    }
    if (index < end) {
      // Starts again on the slower path. `#at` has not moved, so nothing written above remains.
      this.#writeEscaped(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start));
      return;
    }
    piece[at++] = quote;
    this.#at = at;
  }

  /** The same in short slices, for a long string. */
  *writeUtf8InSlices(bytes: Uint8Array, start: number, end: number): Generator<void, void> {
    const string = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    if (!isUtf8(string)) return this.writeString(string.toString());
    this.writeAscii('"');
    for (let from = 0; from < string.length;) {
      let to = Math.min(from + maxPieceBytes, string.length);
      while (isContinuation(string[to])) to -= 1;
      this.#escape(string.subarray(from, to));
      from = to;
      yield;
    }
    this.writeAscii('"');
  }

  /** Records that the value of a field is replaced or left out, and of which workflow. */
  noteCorrection(field: string, scope: { readonly workflowId: string | undefined } | undefined): void {
    if (this.#corrections.length < maxCorrections)
      this.#corrections.push({ field, workflowId: scope?.workflowId });
  }

  get corrections(): readonly Correction[] {
    return this.#corrections;
  }

  /** All of the text, in order. */
  pieces(): readonly Buffer[] {
    return [...this.#full, this.#piece.subarray(0, this.#at)];
  }

  #writeEscaped(bytes: Buffer): void {
    if (!isUtf8(bytes)) return this.writeString(bytes.toString());
    this.writeAscii('"');
    this.#escape(bytes);
    this.writeAscii('"');
  }

  /** Writes the content of a string. */
  #escape(bytes: Buffer): void {
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
      this.writeAscii(escape);
      if (byte >= 0x80) index += byte === 0xc2 ? 1 : 2;
      from = index + 1;
    }
    this.#copy(bytes, from, bytes.length);
  }

  #copy(bytes: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    this.#at += bytes.copy(this.#piece, this.#at, start, end);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#piece.length) return;
    const { length } = this.#piece;
    if (this.#at > 0) this.#full.push(this.#piece.subarray(0, this.#at));
    this.#fullBytes += this.#at;
    this.#at = 0;
    this.#piece = Buffer.allocUnsafe(Math.max(bytes, Math.min(4 * length, maxPieceBytes)));
  }
}

/** Whether a byte of UTF-8 continues a character; false for undefined, after the last byte. */
function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80;
}

/** The escape of a line break of two or three bytes that begins at `index`. */
function lineBreakAt(bytes: Buffer, index: number): string | undefined {
  const byte = bytes[index];
  if (byte === 0xc2) return bytes[index + 1] === 0x85 ? "\\u0085" : undefined;
  if (byte !== 0xe2 || bytes[index + 1] !== 0x80) return undefined;
  if (bytes[index + 2] === 0xa8) return "\\u2028";
  return bytes[index + 2] === 0xa9 ? "\\u2029" : undefined;
}
