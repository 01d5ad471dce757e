import { ScalarType } from "@bufbuild/protobuf";
import type { DescField } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { WireType } from "@bufbuild/protobuf/wire";
import type { JsonWriter } from "./json-writer.ts";
import { isSorted, readMapEntry, sorted } from "./map-entries.ts";
import type { MapEntry } from "./map-entries.ts";
import type { Scope } from "./scope.ts";
import type { Transcoder } from "./transcoder.ts";
import { createValueTranscoder, unsupported } from "./value-transcoder.ts";
import type { FieldOptions, ValueTranscoder } from "./value-transcoder.ts";
import { tagOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

/** The positions of the values of a field, in the order of the wire. */
export type Positions = readonly number[];

/** Writes one field as a member of a JSON object. */
export interface FieldTranscoder {
  /** What precedes the JSON of the field: `{"name":` of the first field, `,"name":` of any other. */
  readonly label: Uint8Array;
  /** The tag of each of its values. */
  readonly tag: number;
  /** The label and JSON of the absent field; undefined if it is left out. */
  readonly absent: Uint8Array | undefined;
  /** Writes the field, or nothing if JSON cannot express its value. */
  write(reader: WireReader, limit: number, at: Positions, out: JsonWriter, scope?: Scope): void;
  /** Writes each item of a list of messages. */
  readonly items: Transcoder | undefined;
  /** Whether the field is a single Struct, which may be large. */
  readonly isStruct: boolean;
}

/** Throws for kinds of fields that the contract does not use, and for a first field that may be left out. */
export function createFieldTranscoder(
  field: DescField,
  options: FieldOptions,
  isFirst: boolean,
): FieldTranscoder {
  const { name, number } = field;
  const label = `${isFirst ? "{" : ","}${JSON.stringify(name)}:`;
  const shared = { label: Buffer.from(label), items: undefined, isStruct: false };
  const withJson = (json: string) => Buffer.from(`${label}${json}`);
  if (field.fieldKind === "map") {
    const tag = tagOf(number, WireType.LengthDelimited);
    return {
      ...shared,
      tag,
      absent: withJson("{}"),
      write: mapWriter(field, shared.label),
    };
  }
  const value = createValueTranscoder(field, options);
  const tag = tagOf(number, value.wireType);
  if (field.fieldKind === "list") {
    // Packed numbers have another encoding, which is not implemented.
    if (value.wireType !== WireType.LengthDelimited || value.isPartial) throw unsupported(field);
    return {
      ...shared,
      tag,
      absent: withJson("[]"),
      write: listWriter(value, withJson("[")),
      items: options.message,
    };
  }
  const absent = options.absent ?? value.absent;
  if (isFirst && (absent === undefined || value.isPartial))
    throw new Error(`${field.toString()} may be left out, and cannot be the first member`);
  return {
    ...shared,
    tag,
    absent: absent === undefined ? undefined : withJson(absent),
    write: singleWriter(value, shared.label, name),
    isStruct: field.message === StructSchema,
  };
}

function singleWriter(value: ValueTranscoder, label: Uint8Array, name: string): FieldTranscoder["write"] {
  const { write } = value;
  return function writeSingle(reader, limit, at, out, scope) {
    reader.pos = at.at(-1) ?? limit;
    write(reader, limit, out, label, name, scope);
  };
}

const separator = Buffer.from(",");

function listWriter({ write }: ValueTranscoder, start: Uint8Array): FieldTranscoder["write"] {
  return function writeList(reader, limit, at, out, scope) {
    let before = start;
    for (const position of at) {
      reader.pos = position;
      write(reader, limit, out, before, "", scope);
      before = separator;
    }
    out.writeAscii("]");
  };
}

/** Writes a map of strings or finite doubles with sorted keys: equal maps have equal JSON. */
function mapWriter(field: DescField & { fieldKind: "map" }, label: Uint8Array): FieldTranscoder["write"] {
  const isOfDoubles = field.scalar === ScalarType.DOUBLE;
  if (field.mapKey !== ScalarType.STRING || !(isOfDoubles || field.scalar === ScalarType.STRING))
    throw unsupported(field);
  const valueTag = tagOf(2, isOfDoubles ? WireType.Bit64 : WireType.LengthDelimited);

  return function writeMap(reader, limit, at, out) {
    const found: MapEntry[] = [];
    for (const position of at) {
      reader.pos = position;
      found.push(readMapEntry(reader, reader.nestedEnd(limit), valueTag));
    }
    out.writeBytes(label);
    let before = "{";
    for (const entry of isSorted(reader, found) ? found : sorted(reader, found)) {
      reader.pos = entry.start;
      const number = isOfDoubles && entry.start < entry.end ? reader.double() : 0;
      if (!Number.isFinite(number)) continue;
      out.writeAscii(before);
      before = ",";
      out.writeUtf8(reader.source, entry.keyStart, entry.keyEnd);
      out.writeAscii(":");
      if (isOfDoubles) out.writeAscii(String(number));
      else out.writeUtf8(reader.source, entry.start, entry.end);
    }
    if (before === "{") out.writeAscii("{");
    out.writeAscii("}");
  };
}
