import type { JsonWriter } from "./json-writer.ts";
import type { WireReader } from "./wire-reader.ts";

/** Converts one kind of protobuf message directly from its bytes to JSON, without creating the message. */
export interface Transcoder {
  /** Writes the message that ends at `end`. Throws if its bytes are not a valid message. */
  write(reader: WireReader, end: number, out: JsonWriter): void;
  /** The same in short slices, for a large message. */
  writeInSlices(reader: WireReader, end: number, out: JsonWriter): Generator<void, void>;
}
