import { WireType } from "@bufbuild/protobuf/wire";
import { tagOf } from "./wire-reader.ts";

/** The tags of the fields in the oneof `kind` of `google.protobuf.Value` (google/protobuf/struct.proto). */
export const kind = {
  null: tagOf(1, WireType.Varint),
  number: tagOf(2, WireType.Bit64),
  string: tagOf(3, WireType.LengthDelimited),
  bool: tagOf(4, WireType.Varint),
  struct: tagOf(5, WireType.LengthDelimited),
  list: tagOf(6, WireType.LengthDelimited),
};

/** The tag of the only field of `Struct` and of `ListValue`. */
export const entryTag = tagOf(1, WireType.LengthDelimited);

/** The tags of the fields of a map entry. */
export const keyTag = tagOf(1, WireType.LengthDelimited);
export const valueTag = tagOf(2, WireType.LengthDelimited);
