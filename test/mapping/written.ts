import { create, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { JsonText } from "../../src/mapping/json-text.ts";
import type { MessageJson } from "../../src/mapping/message-json.ts";
import { WireReader } from "../../src/mapping/wire.ts";

/** What is written of the message in `bytes`. */
export function written(json: Pick<MessageJson, "write">, bytes: Uint8Array): JsonText {
  const text = new JsonText();
  json.write(new WireReader(bytes), bytes.length, text);
  return text;
}

/** The same in steps, and how many there were. */
export function writtenInSteps(json: MessageJson, bytes: Uint8Array): { text: JsonText; steps: number } {
  const text = new JsonText();
  let steps = 1;
  const rest = json.writeInSteps(new WireReader(bytes), bytes.length, text);
  while (rest.next().done !== true) steps += 1;
  return { text, steps };
}

/** All of a text. */
export function stringOf(text: JsonText): string {
  return Buffer.concat(text.segments()).toString();
}

/** The JSON text of a message. */
export function jsonOf<Desc extends DescMessage>(
  json: MessageJson,
  desc: Desc,
  message: MessageInitShape<Desc>,
): string {
  return stringOf(written(json, toBinary(desc, create(desc, message))));
}
