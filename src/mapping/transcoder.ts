import type { JsonWriter } from "./json-writer.ts";
import type { Scope } from "./scope.ts";
import type { WireReader } from "./wire-reader.ts";

/** Converts one kind of protobuf message directly from its bytes to JSON, without creating the message. */
export interface Transcoder {
  /**
   * Writes the message that ends at `end`. `scope` is what the message is part of, where that matters to its JSON. Throws
   * if its bytes are not a valid message.
   */
  write(reader: WireReader, end: number, out: JsonWriter, scope?: Scope): void;
  /** The same in short slices, for a large message. */
  writeInSlices(reader: WireReader, end: number, out: JsonWriter, scope?: Scope): Generator<void, void>;
}
