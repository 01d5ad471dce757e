import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { jsonField } from "./field-json.ts";
import type { FieldOptions, Positions } from "./field-json.ts";
import type { JsonText } from "./json-text.ts";
import { writeStructInSteps } from "./struct.ts";
import { tagOf } from "./wire.ts";
import type { WireReader } from "./wire.ts";

/** Writes one kind of message from its bytes straight to JSON text, without making the message. */
export interface MessageJson {
  /** Writes the message that ends at `end`. Throws where its bytes are no message. */
  write(reader: WireReader, end: number, out: JsonText): void;
  /** The same in short steps, for a message that takes long. */
  writeInSteps(reader: WireReader, end: number, out: JsonText): Generator<void, void>;
}

/** A larger message takes more than one step, in bytes. */
const stepBytes = 64 * 1024;

const none: Positions = [];

/** Most values of one field: the largest `maxItems` of the contract. */
const maxItems = 1_000_000;

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

  function write(reader: WireReader, end: number, out: JsonText): void {
    const positions = located(reader, end);
    let isFirst = true;
    for (const [index, field] of fields.entries()) {
      const label = isFirst ? field.firstLabel : field.label;
      if (field.write(reader, end, positions[index] ?? none, out, label)) isFirst = false;
    }
    out.ascii(isFirst ? "{}" : "}");
    reader.pos = end;
  }

  return {
    write,
    *writeInSteps(reader, end, out) {
      if (end - reader.pos <= stepBytes) return write(reader, end, out);
      const positions = located(reader, end);
      let isFirst = true;
      for (const [index, field] of fields.entries()) {
        const at = positions[index] ?? none;
        const label = isFirst ? field.firstLabel : field.label;
        if (field.items !== undefined) {
          out.ascii(label);
          yield* itemsInSteps(field.items, reader, end, at, out);
          isFirst = false;
        } else if (field.isStruct === true && at.length > 0) {
          out.ascii(label);
          reader.pos = at.at(-1) ?? end;
          yield* writeStructInSteps(reader, reader.nestedEnd(end), out);
          isFirst = false;
        } else if (field.write(reader, end, at, out, label)) isFirst = false;
        yield;
      }
      out.ascii(isFirst ? "{}" : "}");
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
