import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { entryTag, keyTag, kind, valueTag } from "./struct-tags.ts";

/** The bytes of the `google.protobuf.Struct` that says the same as `object`. */
export function structFromJson(object: JsonObject): Uint8Array {
  const writer = new BinaryWriter();
  addStruct(writer, object);
  return writer.finish();
}

function addStruct(writer: BinaryWriter, object: JsonObject): void {
  for (const name of Object.keys(object)) {
    writer.uint32(entryTag).fork();
    writer.uint32(keyTag).string(name);
    writer.uint32(valueTag).fork();
    addValue(writer, object[name] ?? null);
    writer.join().join();
  }
}

function addValue(writer: BinaryWriter, json: JsonValue): void {
  if (json === null) writer.uint32(kind.null).int32(0);
  else if (typeof json === "number") writer.uint32(kind.number).double(json);
  else if (typeof json === "string") writer.uint32(kind.string).string(json);
  else if (typeof json === "boolean") writer.uint32(kind.bool).bool(json);
  else if (Array.isArray(json)) {
    writer.uint32(kind.list).fork();
    for (const item of json) {
      writer.uint32(entryTag).fork();
      addValue(writer, item);
      writer.join();
    }
    writer.join();
  } else {
    writer.uint32(kind.struct).fork();
    addStruct(writer, json);
    writer.join();
  }
}
