import { create, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { JsonWriter } from "../../src/mapping/json-writer.ts";
import type { Transcoder } from "../../src/mapping/transcoder.ts";
import { WireReader } from "../../src/mapping/wire-reader.ts";
import { createTranscoders } from "../../src/mapping/workflow.ts";

/** The transcoders of a gateway with the default bucket, those of the full view, and those of the basic view. */
export const { full: transcoders, basic: basicTranscoders, artifactList } = createTranscoders("foldforge");

/** A transcoder of messages that are part of nothing. */
interface Whole {
  write(reader: WireReader, end: number, out: JsonWriter): void;
  writeInSlices(reader: WireReader, end: number, out: JsonWriter): Generator<void, void>;
}

/** Transcodes the message in `bytes` at once. */
export function transcode(transcoder: Pick<Whole, "write">, bytes: Uint8Array): JsonWriter {
  const text = new JsonWriter();
  transcoder.write(new WireReader(bytes), bytes.length, text);
  return text;
}

/** Transcodes it in slices, and counts them. */
export function transcodeInSlices(
  transcoder: Whole,
  bytes: Uint8Array,
): { text: JsonWriter; slices: number } {
  const text = new JsonWriter();
  let slices = 1;
  const rest = transcoder.writeInSlices(new WireReader(bytes), bytes.length, text);
  while (rest.next().done !== true) slices += 1;
  return { text, slices };
}

/** The complete text of a writer. */
export function textOf(text: JsonWriter): string {
  return Buffer.concat(text.pieces()).toString();
}

/** The JSON text of a message. */
export function jsonOf<Desc extends DescMessage>(
  transcoder: Transcoder,
  desc: Desc,
  message: MessageInitShape<Desc>,
): string {
  return textOf(transcode(transcoder, toBinary(desc, create(desc, message))));
}
