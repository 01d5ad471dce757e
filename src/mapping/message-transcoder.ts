import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { createFieldTranscoder } from "./field-transcoder.ts";
import type { FieldTranscoder, Positions } from "./field-transcoder.ts";
import type { JsonWriter } from "./json-writer.ts";
import type { Scope } from "./scope.ts";
import { writeStructInSlices } from "./struct-to-json.ts";
import type { Transcoder } from "./transcoder.ts";
import type { FieldOptions } from "./value-transcoder.ts";
import { tagOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

/** Larger messages are written in several slices, in bytes. */
const sliceBytes = 64 * 1024;

/** The maximum number of values of one field, and of the artifacts in a list: an empty value takes only 2 bytes. */
export const maxItems = 1_000_000;

/** The positions of the values of each field, in the order of the names; undefined for an absent field. */
export type FieldPositions = readonly (Positions | undefined)[];

/** What the JSON of a message has besides its fields. */
export interface MessageOptions {
  /** Returns the scope of the messages in this one; by default that of the message itself. */
  readonly scopeFrom?: (
    reader: WireReader,
    positions: FieldPositions,
    scope: Scope | undefined,
  ) => Scope | undefined;
  /** Writes the opening brace and members that are no fields; the first of them without a comma before it. */
  readonly writeStart?: (
    reader: WireReader,
    limit: number,
    positions: FieldPositions,
    out: JsonWriter,
    scope: Scope | undefined,
  ) => void;
}

/** Maps tags to the index of their field in the JSON object, or to the table of a flattened message. */
type Table = readonly (number | Table | undefined)[];

/**
 * Creates a transcoder for messages of `desc`. It writes an object with the fields `names`, in this order. A name such as
 * `spec.steps` flattens the field `steps` of the message in `spec` into the object. The last value of a singular field
 * wins; fields with other names or an unexpected wire type are skipped.
 */
export function createMessageTranscoder<const Name extends string>(
  desc: DescMessage,
  names: readonly Name[],
  options: Partial<Record<Name, FieldOptions>> = {},
  { scopeFrom, writeStart }: MessageOptions = {},
): Transcoder {
  const fields = names.map((name, index) =>
    createFieldTranscoder(fieldAt(desc, name), options[name] ?? {}, index === 0 && writeStart === undefined),
  );
  const table = tableOf(desc, names, fields, options);

  function locate(reader: WireReader, end: number, among: Table, positions: number[][]): void {
    while (reader.pos < end) {
      const tag = reader.varint();
      const found = among[tag];
      if (typeof found === "object") {
        locate(reader, reader.nestedEnd(end), found, positions);
        continue;
      }
      if (found !== undefined) addPosition(positions, found, reader.pos);
      reader.skipValue(tag, end);
    }
  }

  function addPosition(positions: number[][], index: number, position: number): void {
    const others = positions[index];
    if (others === undefined) positions[index] = [position];
    else if (others.push(position) > maxItems)
      throw new RangeError(`more than ${maxItems} of ${String(names[index])}`);
  }

  function located(reader: WireReader, end: number): FieldPositions {
    const positions: number[][] = [];
    locate(reader, end, table, positions);
    return positions;
  }

  function write(reader: WireReader, end: number, out: JsonWriter, scope?: Scope): void {
    const positions = located(reader, end);
    const inner = scopeFrom === undefined ? scope : scopeFrom(reader, positions, scope);
    writeStart?.(reader, end, positions, out, inner);
    let index = 0;
    for (const field of fields) {
      writeField(field, reader, end, positions[index], out, inner);
      index += 1;
    }
    out.writeAscii("}");
    reader.pos = end;
  }

  return {
    write,
    *writeInSlices(reader, end, out, scope) {
      if (end - reader.pos <= sliceBytes) return write(reader, end, out, scope);
      const positions = located(reader, end);
      const inner = scopeFrom === undefined ? scope : scopeFrom(reader, positions, scope);
      writeStart?.(reader, end, positions, out, inner);
      for (const [index, field] of fields.entries()) {
        const at = positions[index];
        if (at !== undefined && field.items !== undefined) {
          out.writeBytes(field.label);
          yield* itemsInSlices(field.items, reader, end, at, out, inner);
        } else if (at !== undefined && field.isStruct) {
          out.writeBytes(field.label);
          reader.pos = at.at(-1) ?? end;
          yield* writeStructInSlices(reader, reader.nestedEnd(end), out);
        } else writeField(field, reader, end, at, out, inner);
        yield;
      }
      out.writeAscii("}");
      reader.pos = end;
    },
  };
}

function writeField(
  field: FieldTranscoder,
  reader: WireReader,
  limit: number,
  at: Positions | undefined,
  out: JsonWriter,
  scope: Scope | undefined,
): void {
  if (at !== undefined) field.write(reader, limit, at, out, scope);
  else if (field.absent !== undefined) out.writeBytes(field.absent);
}

function* itemsInSlices(
  items: Transcoder,
  reader: WireReader,
  limit: number,
  at: Positions,
  out: JsonWriter,
  scope: Scope | undefined,
): Generator<void, void> {
  out.writeAscii("[");
  for (const [index, position] of at.entries()) {
    if (index > 0) out.writeAscii(",");
    reader.pos = position;
    yield* items.writeInSlices(reader, reader.nestedEnd(limit), out, scope);
    yield;
  }
  out.writeAscii("]");
}

/** The field with this name, which may be a path to a field of a nested message. */
function fieldAt(desc: DescMessage, name: string): DescField {
  const [first, ...rest] = name.split(".");
  const field = desc.fields.find((own) => own.name === first);
  if (field === undefined) throw new Error(`${desc.typeName} has no field ${String(first)}`);
  if (rest.length === 0) return field;
  if (field.fieldKind !== "message") throw new Error(`${desc.typeName}.${field.name} is no message`);
  return fieldAt(field.message, rest.join("."));
}

function tableOf<Name extends string>(
  desc: DescMessage,
  names: readonly Name[],
  fields: readonly FieldTranscoder[],
  options: Partial<Record<Name, FieldOptions>>,
): Table {
  const table: (number | number[] | undefined)[] = [];
  for (const [index, name] of names.entries()) {
    const tag = fields[index]?.tag;
    if (tag === undefined || options[name]?.isSkipped === true) continue;
    const [first = "", rest] = name.split(".");
    if (rest === undefined) table[tag] = index;
    else {
      const outerTag = tagOf(fieldAt(desc, first).number, WireType.LengthDelimited);
      const within = table[outerTag];
      const others = typeof within === "object" ? within : [];
      others[tag] = index;
      table[outerTag] = others;
    }
  }
  return table;
}
