import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { StructSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { WireType } from "@bufbuild/protobuf/wire";
import { JobStateSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isKnownState, jobStateToJson } from "./job-state.ts";
import type { JsonWriter } from "./json-writer.ts";
import { floatToJson, fractionToJson } from "./numbers.ts";
import { writeStruct } from "./struct-to-json.ts";
import { readTime, writeTime } from "./timestamp.ts";
import type { Transcoder } from "./transcoder.ts";
import { tagOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

/** What a field needs in addition to its descriptor. */
export interface FieldOptions {
  /** The JSON of an absent message. Without it, an absent message is left out. */
  readonly absent?: string;
  /** Whether a float is clamped to 0 to 1. */
  readonly isFraction?: boolean;
  /** Writes the messages of the field. */
  readonly message?: Transcoder;
}

/** The positions of the values of a field, in the order of the wire. */
export type Positions = readonly number[];

/** Writes `label` and the value at the reader. Returns false, and writes nothing, if JSON cannot express the value. */
type WriteValue = (
  reader: WireReader,
  limit: number,
  out: JsonWriter,
  label: string,
  name: string,
) => boolean;

/** Writes one field as a member of a JSON object. */
export interface FieldTranscoder {
  readonly name: string;
  /** The label of the first member, `{"name":`, and of any other, `,"name":`. */
  readonly firstLabel: string;
  readonly label: string;
  readonly wireType: WireType;
  /** Writes the field with this label. Returns false if there is nothing to write. */
  write(reader: WireReader, limit: number, at: Positions, out: JsonWriter, label: string): boolean;
  /** Writes each item of a list of messages. */
  readonly items?: Transcoder;
  /** Whether the field is a single Struct, which may be large. */
  readonly isStruct?: boolean;
}

/** Throws for kinds of fields that the contract does not use. */
export function createFieldTranscoder(field: DescField, options: FieldOptions): FieldTranscoder {
  const { name } = field;
  const label = `${JSON.stringify(name)}:`;
  const labels = { name, firstLabel: `{${label}`, label: `,${label}` };
  if (field.fieldKind === "map")
    return { ...labels, wireType: WireType.LengthDelimited, write: mapWriter(field) };
  if (field.fieldKind === "list") {
    const { wireType, write } = valueTranscoder(field, options);
    // Packed numbers have another encoding, which is not implemented.
    if (wireType !== WireType.LengthDelimited) throw unsupported(field);
    const items = options.message;
    return { ...labels, wireType, write: listWriter(write), ...(items === undefined ? {} : { items }) };
  }
  const { wireType, write, absent } = valueTranscoder(field, options);
  const isStruct = field.message === StructSchema;
  return { ...labels, wireType, write: singleWriter(field, write, options.absent ?? absent), isStruct };
}

function singleWriter(
  { name }: DescField,
  writeValue: WriteValue,
  absent: string | undefined,
): FieldTranscoder["write"] {
  return function writeSingle(reader, limit, at, out, label) {
    const position = at.at(-1);
    if (position !== undefined) {
      reader.pos = position;
      return writeValue(reader, limit, out, label, name);
    }
    if (absent === undefined) return false;
    out.writeAscii(label);
    out.writeAscii(absent);
    return true;
  };
}

function listWriter(writeValue: WriteValue): FieldTranscoder["write"] {
  return function writeList(reader, limit, at, out, label) {
    out.writeAscii(label);
    let before = "[";
    for (const position of at) {
      reader.pos = position;
      writeValue(reader, limit, out, before, "");
      before = ",";
    }
    out.writeAscii(at.length === 0 ? "[]" : "]");
    return true;
  };
}

/** Writes a map of strings or finite doubles with sorted keys: equal maps have equal JSON. */
function mapWriter(field: DescField & { fieldKind: "map" }): FieldTranscoder["write"] {
  const isOfDoubles = field.scalar === ScalarType.DOUBLE;
  if (field.mapKey !== ScalarType.STRING || !(isOfDoubles || field.scalar === ScalarType.STRING))
    throw unsupported(field);

  function readEntry(reader: WireReader, end: number): [key: string, value: string | number] {
    let key = "";
    let value: string | number = isOfDoubles ? 0 : "";
    while (reader.pos < end) {
      const tag = reader.varint();
      if (tag === tagOf(1, WireType.LengthDelimited)) key = reader.string();
      else if (isOfDoubles && tag === tagOf(2, WireType.Bit64)) value = reader.double();
      else if (!isOfDoubles && tag === tagOf(2, WireType.LengthDelimited)) value = reader.string();
      else reader.skipValue(tag, end);
    }
    reader.checkEnd(end);
    return [key, value];
  }

  return function writeMap(reader, limit, at, out, label) {
    out.writeAscii(label);
    if (at.length === 0) {
      out.writeAscii("{}");
      return true;
    }
    const entries = new Map<string, string | number>();
    for (const position of at) {
      reader.pos = position;
      entries.set(...readEntry(reader, reader.nestedEnd(limit)));
    }
    let separator = "{";
    for (const [key, value] of [...entries].sort(byKey)) {
      if (typeof value === "number" && !Number.isFinite(value)) continue;
      out.writeAscii(separator);
      out.writeString(key);
      out.writeAscii(typeof value === "number" ? `:${value}` : ":");
      if (typeof value === "string") out.writeString(value);
      separator = ",";
    }
    out.writeAscii(separator === "{" ? "{}" : "}");
    return true;
  };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** Writes a value of a field: the only one, or an item of a list. */
interface ValueTranscoder {
  readonly wireType: WireType;
  /** The JSON of an absent value; undefined if the field is left out then. */
  readonly absent: string | undefined;
  readonly write: WriteValue;
}

function valueTranscoder(field: DescField, options: FieldOptions): ValueTranscoder {
  if (field.message !== undefined) return messageFieldTranscoder(field.message, options);
  if (field.enum === JobStateSchema) return stateTranscoder;
  return scalarTranscoder(field, options);
}

const stateTranscoder: ValueTranscoder = {
  wireType: WireType.Varint,
  absent: `"${jobStateToJson(0)}"`,
  write(reader, _limit, out, label, name) {
    const state = reader.int32();
    if (!isKnownState(state)) out.noteCorrection(name);
    out.writeAscii(label);
    out.writeAscii(`"${jobStateToJson(state)}"`);
    return true;
  },
};

function messageFieldTranscoder(desc: DescMessage, { message }: FieldOptions): ValueTranscoder {
  const write = message?.write;
  if (desc === TimestampSchema) return timestampTranscoder;
  if (desc !== StructSchema && write === undefined) throw new Error(`${desc.typeName} has no transcoder`);
  const writeNested = write ?? writeStruct;
  return {
    wireType: WireType.LengthDelimited,
    absent: desc === StructSchema ? "{}" : undefined,
    write(reader, limit, out, label) {
      out.writeAscii(label);
      writeNested(reader, reader.nestedEnd(limit), out);
      return true;
    },
  };
}

const timestampTranscoder: ValueTranscoder = {
  wireType: WireType.LengthDelimited,
  absent: undefined,
  write(reader, limit, out, label, name) {
    const time = readTime(reader, reader.nestedEnd(limit));
    if (time === undefined) {
      out.noteCorrection(name);
      return false;
    }
    out.writeAscii(label);
    writeTime(time, out);
    return true;
  },
};

function scalarTranscoder(field: DescField, { isFraction = false }: FieldOptions): ValueTranscoder {
  switch (field.scalar) {
    case ScalarType.STRING:
      return { wireType: WireType.LengthDelimited, absent: '""', write: writeString };
    case ScalarType.BOOL:
      return asciiTranscoder(WireType.Varint, "false", (reader) => String(reader.bool()));
    case ScalarType.UINT32:
      return asciiTranscoder(WireType.Varint, "0", (reader) => String(reader.uint32()));
    case ScalarType.UINT64:
      return asciiTranscoder(WireType.Varint, "0", (reader) => String(reader.uint64()));
    case ScalarType.DOUBLE:
      return asciiTranscoder(WireType.Bit64, "0", (reader) => finite(reader.double()));
    case ScalarType.FLOAT:
      return asciiTranscoder(WireType.Bit32, "0", (reader) => {
        const float = reader.float();
        return isFraction ? String(fractionToJson(float)) : finite(floatToJson(float));
      });
    default:
      throw unsupported(field);
  }
}

function writeString(reader: WireReader, limit: number, out: JsonWriter, label: string): boolean {
  out.writeAscii(label);
  const end = reader.nestedEnd(limit);
  out.writeUtf8(reader.source, reader.pos, end);
  reader.pos = end;
  return true;
}

/** Writes a value whose JSON is ASCII. Undefined is left out. */
function asciiTranscoder(
  wireType: WireType,
  absent: string,
  read: (reader: WireReader) => string | undefined,
): ValueTranscoder {
  return {
    wireType,
    absent,
    write(reader, _limit, out, label) {
      const text = read(reader);
      if (text === undefined) return false;
      out.writeAscii(label);
      out.writeAscii(text);
      return true;
    },
  };
}

/** JSON has no NaN and no infinity. */
function finite(number: number): string | undefined {
  return Number.isFinite(number) ? String(number) : undefined;
}

function unsupported(field: DescField): Error {
  return new Error(`${field.toString()} is of an unsupported kind`);
}
