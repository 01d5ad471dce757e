import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { StructSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { WireType } from "@bufbuild/protobuf/wire";
import { JobStateSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isKnownState, jobStateToJson } from "./job-state.ts";
import type { JsonText } from "./json-text.ts";
import type { MessageJson } from "./message-json.ts";
import { floatToJson, fractionToJson } from "./numbers.ts";
import { writeStruct } from "./struct.ts";
import { readTime } from "./time.ts";
import { tagOf } from "./wire.ts";
import type { WireReader } from "./wire.ts";

/** What a field needs beyond its description. */
export interface FieldOptions {
  /** JSON that stands for an absent message; without it the field is left out. */
  readonly absent?: string;
  /** Whether a float is a share, from 0 to 1. */
  readonly isFraction?: boolean;
  /** How the messages that it holds are written. */
  readonly message?: MessageJson;
}

/** Where the values of a field are, in the order in which they came. */
export type Positions = readonly number[];

/** Writes `label` and the value of the field `name` that the reader is at; nothing, and returns false, where JSON cannot say it. */
type WriteValue = (reader: WireReader, limit: number, out: JsonText, label: string, name: string) => boolean;

/** One field in its place of the JSON object. */
export interface JsonField {
  readonly name: string;
  /** `{"name":` and `,"name":` */
  readonly firstLabel: string;
  readonly label: string;
  readonly wireType: WireType;
  /** Writes the field with this label; returns whether there was anything to write. */
  write(reader: WireReader, limit: number, at: Positions, out: JsonText, label: string): boolean;
  /** How each of its messages is written, where it is a list of them. */
  readonly items?: MessageJson;
  /** Whether it is one Struct, which may be large. */
  readonly isStruct?: boolean;
}

/** How a field of a message is written. Throws for a kind of field that the contract has nowhere. */
export function jsonField(field: DescField, options: FieldOptions): JsonField {
  const { name } = field;
  const label = `${JSON.stringify(name)}:`;
  const labels = { name, firstLabel: `{${label}`, label: `,${label}` };
  if (field.fieldKind === "map")
    return { ...labels, wireType: WireType.LengthDelimited, write: mapWriter(field) };
  if (field.fieldKind === "list") {
    const { wireType, write } = valueOf(field, options);
    // Packed numbers would come in another way.
    if (wireType !== WireType.LengthDelimited) throw unsupported(field);
    const items = options.message;
    return { ...labels, wireType, write: listWriter(write), ...(items === undefined ? {} : { items }) };
  }
  const { wireType, write, absent } = valueOf(field, options);
  const isStruct = field.message === StructSchema;
  return { ...labels, wireType, write: singleWriter(field, write, options.absent ?? absent), isStruct };
}

function singleWriter(
  { name }: DescField,
  writeValue: WriteValue,
  absent: string | undefined,
): JsonField["write"] {
  return function writeSingle(reader, limit, at, out, label) {
    const position = at.at(-1);
    if (position !== undefined) {
      reader.pos = position;
      return writeValue(reader, limit, out, label, name);
    }
    if (absent === undefined) return false;
    out.ascii(label);
    out.ascii(absent);
    return true;
  };
}

function listWriter(writeValue: WriteValue): JsonField["write"] {
  return function writeList(reader, limit, at, out, label) {
    out.ascii(label);
    let before = "[";
    for (const position of at) {
      reader.pos = position;
      writeValue(reader, limit, out, before, "");
      before = ",";
    }
    out.ascii(at.length === 0 ? "[]" : "]");
    return true;
  };
}

/** A map of texts or of finite doubles, with its keys in order: the same map is always the same text. */
function mapWriter(field: DescField & { fieldKind: "map" }): JsonField["write"] {
  const isOfDoubles = field.scalar === ScalarType.DOUBLE;
  if (field.mapKey !== ScalarType.STRING || !(isOfDoubles || field.scalar === ScalarType.STRING))
    throw unsupported(field);

  function readEntry(reader: WireReader, end: number): [key: string, value: string | number] {
    let key = "";
    let value: string | number = isOfDoubles ? 0 : "";
    while (reader.pos < end) {
      const tag = reader.uint32();
      if (tag === tagOf(1, WireType.LengthDelimited)) key = reader.string();
      else if (isOfDoubles && tag === tagOf(2, WireType.Bit64)) value = reader.double();
      else if (!isOfDoubles && tag === tagOf(2, WireType.LengthDelimited)) value = reader.string();
      else reader.skipValue(tag, end);
    }
    reader.endAt(end);
    return [key, value];
  }

  return function writeMap(reader, limit, at, out, label) {
    out.ascii(label);
    if (at.length === 0) {
      out.ascii("{}");
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
      out.ascii(separator);
      out.string(key);
      out.ascii(typeof value === "number" ? `:${value}` : ":");
      if (typeof value === "string") out.string(value);
      separator = ",";
    }
    out.ascii(separator === "{" ? "{}" : "}");
    return true;
  };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** How a value is written, the wire type that it comes in, and what stands for one that is absent. */
interface Value {
  readonly wireType: WireType;
  readonly absent: string | undefined;
  readonly write: WriteValue;
}

/** A value of a field: the only one, or one of a list. */
function valueOf(field: DescField, options: FieldOptions): Value {
  if (field.message !== undefined) return messageValue(field.message, options);
  if (field.enum === JobStateSchema) return stateValue;
  return scalarValue(field, options);
}

/** The absent state is the one of number 0. */
const stateValue: Value = {
  wireType: WireType.Varint,
  absent: `"${jobStateToJson(0)}"`,
  write(reader, _limit, out, label, name) {
    const state = reader.int32();
    if (!isKnownState(state)) out.noteUnusable(name);
    out.ascii(label);
    out.ascii(`"${jobStateToJson(state)}"`);
    return true;
  },
};

function messageValue(desc: DescMessage, { message }: FieldOptions): Value {
  const write = message?.write;
  if (desc === TimestampSchema) return timeValue;
  if (desc !== StructSchema && write === undefined) throw new Error(`${desc.typeName} is written by nothing`);
  const writeNested = write ?? writeStruct;
  return {
    wireType: WireType.LengthDelimited,
    absent: desc === StructSchema ? "{}" : undefined,
    write(reader, limit, out, label) {
      out.ascii(label);
      writeNested(reader, reader.nestedEnd(limit), out);
      return true;
    },
  };
}

const timeValue: Value = {
  wireType: WireType.LengthDelimited,
  absent: undefined,
  write(reader, limit, out, label, name) {
    const time = readTime(reader, reader.nestedEnd(limit));
    if (time === undefined) {
      out.noteUnusable(name);
      return false;
    }
    out.ascii(label);
    out.ascii(`"${time}"`);
    return true;
  },
};

function scalarValue(field: DescField, { isFraction = false }: FieldOptions): Value {
  switch (field.scalar) {
    case ScalarType.STRING:
      return { wireType: WireType.LengthDelimited, absent: '""', write: writeString };
    case ScalarType.BOOL:
      return asciiValue(WireType.Varint, "false", (reader) => String(reader.bool()));
    case ScalarType.UINT32:
      return asciiValue(WireType.Varint, "0", (reader) => String(reader.uint32()));
    case ScalarType.UINT64:
      return asciiValue(WireType.Varint, "0", (reader) => String(reader.uint64()));
    case ScalarType.DOUBLE:
      return asciiValue(WireType.Bit64, "0", (reader) => finite(reader.double()));
    case ScalarType.FLOAT:
      return asciiValue(WireType.Bit32, "0", (reader) => {
        const float = reader.float();
        return isFraction ? String(fractionToJson(float)) : finite(floatToJson(float));
      });
    default:
      throw unsupported(field);
  }
}

function writeString(reader: WireReader, limit: number, out: JsonText, label: string): boolean {
  out.ascii(label);
  const end = reader.nestedEnd(limit);
  out.utf8(reader.source, reader.pos, end);
  reader.pos = end;
  return true;
}

/** A value that is ASCII as it is; undefined is left out. */
function asciiValue(
  wireType: WireType,
  absent: string,
  read: (reader: WireReader) => string | undefined,
): Value {
  return {
    wireType,
    absent,
    write(reader, _limit, out, label) {
      const text = read(reader);
      if (text === undefined) return false;
      out.ascii(label);
      out.ascii(text);
      return true;
    },
  };
}

/** JSON has no NaN and no infinity. */
function finite(number: number): string | undefined {
  return Number.isFinite(number) ? String(number) : undefined;
}

function unsupported(field: DescField): Error {
  return new Error(`${field.toString()} is of a kind that has no JSON here`);
}
