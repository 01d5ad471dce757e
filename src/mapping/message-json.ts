import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { StructSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { WireType } from "@bufbuild/protobuf/wire";
import { JobStateSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { isKnownState, jobStateToJson } from "./job-state.ts";
import type { JsonText } from "./json-text.ts";
import { floatToJson, fractionToJson } from "./numbers.ts";
import { writeStruct, writeStructInSteps } from "./struct.ts";
import { readTime } from "./time.ts";
import { tagOf } from "./wire.ts";
import type { WireReader } from "./wire.ts";

/** What a field needs beyond its description. */
interface FieldOptions {
  /** JSON that stands for an absent message; without it the field is left out. */
  readonly absent?: string;
  /** Whether a float is a share, from 0 to 1. */
  readonly isFraction?: boolean;
  /** How the messages that it holds are written. */
  readonly message?: MessageJson;
}

/** Writes one kind of message from its bytes straight to JSON text, without making the message. */
export interface MessageJson {
  /** Writes the message that ends at `end`. Throws where its bytes are no message. */
  write(reader: WireReader, end: number, out: JsonText): void;
  /** The same in short steps, for a message that takes long. */
  writeInSteps(reader: WireReader, end: number, out: JsonText): Generator<void, void>;
}

/** A larger message takes more than one step, in bytes. */
const stepBytes = 64 * 1024;

/** Where the values of a field are, in the order in which they came. */
type Positions = readonly number[];
const none: Positions = [];

/** Writes `label` and the value of the field `name` that the reader is at; nothing, and returns false, where JSON cannot say it. */
type WriteValue = (reader: WireReader, limit: number, out: JsonText, label: string, name: string) => boolean;

/** One field in its place of the JSON object. */
interface JsonField {
  /** `"name":` */
  readonly label: string;
  readonly wireType: WireType;
  /** Writes the field with this label; returns whether there was anything to write. */
  write(reader: WireReader, limit: number, at: Positions, out: JsonText, label: string): boolean;
  /** How each of its messages is written, where it is a list of them. */
  readonly items?: MessageJson;
  /** Whether it is one Struct, which may be large. */
  readonly isStruct?: boolean;
}

/** The fields of a message by their numbers: each by its index in the JSON object, or the fields of a message in it. */
type Table = ReadonlyMap<number, number | Table>;

/**
 * The JSON of messages of `desc`: an object of the fields `names`, in that order. A name such as `spec.steps` is a field
 * of the message in `spec`, which has no object of its own. Of a field that may be there once and is there twice, the
 * last value counts; fields of other names or of another wire type are passed over.
 */
export function messageJson<const Name extends string>(
  desc: DescMessage,
  names: readonly Name[],
  options: Partial<Record<Name, FieldOptions>> = {},
): MessageJson {
  const fields = names.map((name) => jsonField(fieldAt(desc, name), options[name] ?? {}));
  const table = tableOf(desc, names);

  function locate(reader: WireReader, end: number, among: Table, positions: number[][]): void {
    while (reader.pos < end) {
      const tag = reader.uint32();
      const number = tag >>> 3;
      const found = among.get(number);
      if (typeof found === "object" && tag === tagOf(number, WireType.LengthDelimited)) {
        locate(reader, reader.nestedEnd(end), found, positions);
        continue;
      }
      const field = typeof found === "number" ? fields[found] : undefined;
      if (typeof found === "number" && field !== undefined && tag === tagOf(number, field.wireType))
        (positions[found] ??= []).push(reader.pos);
      reader.skipValue(tag, end);
    }
  }

  function located(reader: WireReader, end: number): readonly (Positions | undefined)[] {
    const positions: number[][] = [];
    locate(reader, end, table, positions);
    return positions;
  }

  function write(reader: WireReader, end: number, out: JsonText): void {
    const positions = located(reader, end);
    let separator = "{";
    for (const [index, field] of fields.entries()) {
      if (field.write(reader, end, positions[index] ?? none, out, separator + field.label)) separator = ",";
    }
    out.ascii(separator === "{" ? "{}" : "}");
    reader.pos = end;
  }

  return {
    write,
    *writeInSteps(reader, end, out) {
      if (end - reader.pos <= stepBytes) return write(reader, end, out);
      const positions = located(reader, end);
      let separator = "{";
      for (const [index, field] of fields.entries()) {
        const at = positions[index] ?? none;
        if (field.items !== undefined) {
          out.ascii(separator + field.label);
          yield* itemsInSteps(field.items, reader, end, at, out);
          separator = ",";
        } else if (field.isStruct === true && at.length > 0) {
          out.ascii(separator + field.label);
          reader.pos = at.at(-1) ?? end;
          yield* writeStructInSteps(reader, reader.nestedEnd(end), out);
          separator = ",";
        } else if (field.write(reader, end, at, out, separator + field.label)) separator = ",";
        yield;
      }
      out.ascii(separator === "{" ? "{}" : "}");
      reader.pos = end;
    },
  };
}

function* itemsInSteps(
  items: MessageJson,
  reader: WireReader,
  limit: number,
  at: Positions,
  out: JsonText,
): Generator<void, void> {
  out.ascii("[");
  for (const [index, position] of at.entries()) {
    if (index > 0) out.ascii(",");
    reader.pos = position;
    yield* items.writeInSteps(reader, reader.nestedEnd(limit), out);
    yield;
  }
  out.ascii("]");
}

/** The field of that name, which may be one of a message within the message. */
function fieldAt(desc: DescMessage, name: string): DescField {
  const [first, ...rest] = name.split(".");
  const field = desc.fields.find((own) => own.name === first);
  if (field === undefined) throw new Error(`${desc.typeName} has no field ${String(first)}`);
  if (rest.length === 0) return field;
  if (field.fieldKind !== "message") throw new Error(`${desc.typeName}.${field.name} is no message`);
  return fieldAt(field.message, rest.join("."));
}

function tableOf(desc: DescMessage, names: readonly string[]): Table {
  const table = new Map<number, number | Map<number, number>>();
  for (const [index, name] of names.entries()) {
    const [first = "", rest] = name.split(".");
    const { number } = fieldAt(desc, first);
    const within = table.get(number);
    if (rest === undefined) table.set(number, index);
    else {
      const others = typeof within === "object" ? within : [];
      table.set(number, new Map([...others, [fieldAt(desc, name).number, index]]));
    }
  }
  return table;
}

function jsonField(field: DescField, options: FieldOptions): JsonField {
  const label = `${JSON.stringify(field.name)}:`;
  if (field.fieldKind === "map")
    return { label, wireType: WireType.LengthDelimited, write: mapWriter(field) };
  if (field.fieldKind === "list") {
    const { wireType, write } = valueOf(field, options);
    // Packed numbers would come in another way.
    if (wireType !== WireType.LengthDelimited) throw unsupported(field);
    const items = options.message;
    return { label, wireType, write: listWriter(write), ...(items === undefined ? {} : { items }) };
  }
  const { wireType, write, absent } = valueOf(field, options);
  const isStruct = field.message === StructSchema;
  return { label, wireType, write: singleWriter(field, write, options.absent ?? absent), isStruct };
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
    if (absent !== undefined) out.ascii(label + absent);
    return absent !== undefined;
  };
}

function listWriter(writeValue: WriteValue): JsonField["write"] {
  return function writeList(reader, limit, at, out, label) {
    let before = `${label}[`;
    for (const position of at) {
      reader.pos = position;
      writeValue(reader, limit, out, before, "");
      before = ",";
    }
    out.ascii(at.length === 0 ? `${before}]` : "]");
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
    const entries = new Map<string, string | number>();
    for (const position of at) {
      reader.pos = position;
      entries.set(...readEntry(reader, reader.nestedEnd(limit)));
    }
    out.ascii(`${label}{`);
    let separator = "";
    for (const [key, value] of [...entries].sort(byKey)) {
      if (typeof value === "number" && !Number.isFinite(value)) continue;
      out.ascii(separator);
      out.string(key);
      out.ascii(typeof value === "number" ? `:${value}` : ":");
      if (typeof value === "string") out.string(value);
      separator = ",";
    }
    out.ascii("}");
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
    out.ascii(`${label}"${jobStateToJson(state)}"`);
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
    if (time === undefined) out.noteUnusable(name);
    else out.ascii(`${label}"${time}"`);
    return time !== undefined;
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
      if (text !== undefined) out.ascii(label + text);
      return text !== undefined;
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
