import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { createFieldTranscoder } from "./field-transcoder.ts";
import type { FieldOptions, Positions } from "./field-transcoder.ts";
import type { JsonWriter } from "./json-writer.ts";
import { writeStructInSlices } from "./struct-to-json.ts";
import type { Transcoder } from "./transcoder.ts";
import { tagOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

/** Larger messages are written in several slices, in bytes. */
const sliceBytes = 64 * 1024;

const none: Positions = [];

/** The maximum number of values of one field: the largest `maxItems` in the contract. */
const maxItems = 1_000_000;

/** Maps field numbers to the index of the field in the JSON object, or to the table of a flattened message. */
type Table = ReadonlyMap<number, number | Table>;

/**
 * Creates a transcoder for messages of `desc`. It writes an object with the fields `names`, in this order. A name such as
 * `spec.steps` flattens the field `steps` of the message in `spec` into the object. The last value of a singular field
 * wins; fields with other names or an unexpected wire type are skipped.
 */
export function createMessageTranscoder<const Name extends string>(
  desc: DescMessage,
  names: readonly Name[],
  options: Partial<Record<Name, FieldOptions>> = {},
): Transcoder {
  const fields = names.map((name) => createFieldTranscoder(fieldAt(desc, name), options[name] ?? {}));
  const table = tableOf(desc, names);

  function locate(reader: WireReader, end: number, among: Table, positions: number[][]): void {
    while (reader.pos < end) {
      const tag = reader.varint();
      const number = tag >>> 3;
      const found = among.get(number);
      if (typeof found === "object" && tag === tagOf(number, WireType.LengthDelimited)) {
        locate(reader, reader.nestedEnd(end), found, positions);
        continue;
      }
      const field = typeof found === "number" ? fields[found] : undefined;
      if (typeof found === "number" && field !== undefined && tag === tagOf(number, field.wireType)) {
        if ((positions[found] ??= []).push(reader.pos) > maxItems)
          throw new RangeError(`more than ${maxItems} of ${field.name}`);
      }
      reader.skipValue(tag, end);
    }
  }

  function located(reader: WireReader, end: number): readonly (Positions | undefined)[] {
    const positions: number[][] = [];
    locate(reader, end, table, positions);
    return positions;
  }

  function write(reader: WireReader, end: number, out: JsonWriter): void {
    const positions = located(reader, end);
    let isFirst = true;
    for (const [index, field] of fields.entries()) {
      const label = isFirst ? field.firstLabel : field.label;
      if (field.write(reader, end, positions[index] ?? none, out, label)) isFirst = false;
    }
    out.writeAscii(isFirst ? "{}" : "}");
    reader.pos = end;
  }

  return {
    write,
    *writeInSlices(reader, end, out) {
      if (end - reader.pos <= sliceBytes) return write(reader, end, out);
      const positions = located(reader, end);
      let isFirst = true;
      for (const [index, field] of fields.entries()) {
        const at = positions[index] ?? none;
        const label = isFirst ? field.firstLabel : field.label;
        if (field.items !== undefined) {
          out.writeAscii(label);
          yield* itemsInSlices(field.items, reader, end, at, out);
          isFirst = false;
        } else if (field.isStruct === true && at.length > 0) {
          out.writeAscii(label);
          reader.pos = at.at(-1) ?? end;
          yield* writeStructInSlices(reader, reader.nestedEnd(end), out);
          isFirst = false;
        } else if (field.write(reader, end, at, out, label)) isFirst = false;
        yield;
      }
      out.writeAscii(isFirst ? "{}" : "}");
      reader.pos = end;
    },
  };
}

function* itemsInSlices(
  items: Transcoder,
  reader: WireReader,
  limit: number,
  at: Positions,
  out: JsonWriter,
): Generator<void, void> {
  out.writeAscii("[");
  for (const [index, position] of at.entries()) {
    if (index > 0) out.writeAscii(",");
    reader.pos = position;
    yield* items.writeInSlices(reader, reader.nestedEnd(limit), out);
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
