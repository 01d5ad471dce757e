import type { JsonObject } from "@bufbuild/protobuf";
import { runSync } from "../../src/load-shedding/task-queue.ts";
import { ReverseWriter } from "../../src/mapping/reverse-writer.ts";
import { writeStructFromJson } from "../../src/mapping/struct-from-json.ts";

/** The bytes of `object` as a `google.protobuf.Struct`. */
export function structFromJson(object: JsonObject): Uint8Array {
  const out = new ReverseWriter();
  runSync(writeStructFromJson(object, out));
  return out.finish();
}
