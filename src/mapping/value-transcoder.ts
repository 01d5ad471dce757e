import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { StructSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { WireType } from "@bufbuild/protobuf/wire";
import { JobState, JobStateSchema } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import { jobStateToJson } from "./job-state.ts";
import type { JsonWriter } from "./json-writer.ts";
import { floatToJson, fractionToJson } from "./numbers.ts";
import { writeStruct } from "./struct-to-json.ts";
import type { Scope } from "./scope.ts";
import { readTime, writeTime } from "./timestamp.ts";
import type { Transcoder } from "./transcoder.ts";
import type { WireReader } from "./wire-reader.ts";

/** What a field needs in addition to its descriptor. */
export interface FieldOptions {
  /** The JSON of an absent message. Without it, an absent message is left out. */
  readonly absent?: string;
  /** Whether the values are skipped unread, and the field is written as an absent one. */
  readonly isSkipped?: boolean;
  /** Whether a float is clamped to 0 to 1. */
  readonly isFraction?: boolean;
  /** Writes the messages of the field. */
  readonly message?: Transcoder;
}

/** Writes values of one kind: the value of a singular field, or an item of a list. */
export interface ValueTranscoder {
  readonly wireType: WireType;
  /** The JSON of an absent value; undefined if the field is left out then. */
  readonly absent: string | undefined;
  /** Whether a value may be left out because JSON cannot express it. */
  readonly isPartial: boolean;
  /** Writes `label` and the value at the reader, or nothing. `name` is that of the field. */
  write(
    reader: WireReader,
    limit: number,
    out: JsonWriter,
    label: Uint8Array,
    name: string,
    scope: Scope | undefined,
  ): void;
}

/** Throws for kinds of values that the contract does not use. */
export function createValueTranscoder(field: DescField, options: FieldOptions): ValueTranscoder {
  if (field.message !== undefined) return createMessageValueTranscoder(field.message, options);
  if (field.enum === JobStateSchema) return stateTranscoder;
  return scalarTranscoder(field, options);
}

function createMessageValueTranscoder(desc: DescMessage, { message }: FieldOptions): ValueTranscoder {
  const write = message?.write;
  if (desc === TimestampSchema) return timestampTranscoder;
  if (desc !== StructSchema && write === undefined) throw new Error(`${desc.typeName} has no transcoder`);
  const writeNested: Transcoder["write"] = write ?? ((reader, end, out) => writeStruct(reader, end, out));
  return {
    wireType: WireType.LengthDelimited,
    absent: desc === StructSchema ? "{}" : undefined,
    isPartial: false,
    write(reader, limit, out, label, _name, scope) {
      out.writeBytes(label);
      writeNested(reader, reader.nestedEnd(limit), out, scope);
    },
  };
}

const timestampTranscoder: ValueTranscoder = {
  wireType: WireType.LengthDelimited,
  absent: undefined,
  isPartial: true,
  write(reader, limit, out, label, name, scope) {
    const time = readTime(reader, reader.nestedEnd(limit));
    if (time === undefined) {
      out.noteCorrection(name, scope);
      return;
    }
    out.writeBytes(label);
    writeTime(time, out);
  },
};

/** The JSON of the known states. */
const states: ReadonlyMap<number, Uint8Array> = new Map(
  Object.values(JobState)
    .filter((state) => typeof state === "number")
    .map((state) => [state, Buffer.from(`"${jobStateToJson(state)}"`)]),
);
const unknownState = Buffer.from(`"${jobStateToJson(-1)}"`);

const stateTranscoder: ValueTranscoder = {
  wireType: WireType.Varint,
  absent: `"${jobStateToJson(0)}"`,
  isPartial: false,
  write(reader, _limit, out, label, name, scope) {
    const known = states.get(reader.int32());
    if (known === undefined) out.noteCorrection(name, scope);
    out.writeBytes(label);
    out.writeBytes(known ?? unknownState);
  },
};

function scalarTranscoder(field: DescField, { isFraction = false }: FieldOptions): ValueTranscoder {
  switch (field.scalar) {
    case ScalarType.STRING:
      return stringTranscoder;
    case ScalarType.BOOL:
      return boolTranscoder;
    case ScalarType.UINT32:
      return uint32Transcoder;
    case ScalarType.UINT64:
      return uint64Transcoder;
    case ScalarType.DOUBLE:
      return doubleTranscoder;
    case ScalarType.FLOAT:
      return isFraction ? fractionTranscoder : floatTranscoder;
    default:
      throw unsupported(field);
  }
}

const stringTranscoder: ValueTranscoder = {
  wireType: WireType.LengthDelimited,
  absent: '""',
  isPartial: false,
  write(reader, limit, out, label) {
    out.writeBytes(label);
    const end = reader.nestedEnd(limit);
    out.writeUtf8(reader.source, reader.pos, end);
    reader.pos = end;
  },
};

const boolTranscoder: ValueTranscoder = {
  wireType: WireType.Varint,
  absent: "false",
  isPartial: false,
  write(reader, _limit, out, label) {
    out.writeBytes(label);
    out.writeAscii(String(reader.bool()));
  },
};

const uint32Transcoder: ValueTranscoder = {
  wireType: WireType.Varint,
  absent: "0",
  isPartial: false,
  write(reader, _limit, out, label) {
    out.writeBytes(label);
    out.writeAscii(String(reader.uint32()));
  },
};

const uint64Transcoder: ValueTranscoder = {
  wireType: WireType.Varint,
  absent: "0",
  isPartial: false,
  write(reader, _limit, out, label) {
    out.writeBytes(label);
    out.writeAscii(String(reader.uint64()));
  },
};

/** JSON has no NaN and no infinity. */
const doubleTranscoder: ValueTranscoder = {
  wireType: WireType.Bit64,
  absent: "0",
  isPartial: true,
  write(reader, _limit, out, label) {
    const number = reader.double();
    if (!Number.isFinite(number)) return;
    out.writeBytes(label);
    out.writeAscii(String(number));
  },
};

const floatTranscoder: ValueTranscoder = {
  wireType: WireType.Bit32,
  absent: "0",
  isPartial: true,
  write(reader, _limit, out, label) {
    const number = reader.float();
    if (!Number.isFinite(number)) return;
    out.writeBytes(label);
    out.writeAscii(String(floatToJson(number)));
  },
};

const fractionTranscoder: ValueTranscoder = {
  wireType: WireType.Bit32,
  absent: "0",
  isPartial: false,
  write(reader, _limit, out, label) {
    out.writeBytes(label);
    out.writeAscii(String(fractionToJson(reader.float())));
  },
};

export function unsupported(field: DescField): Error {
  return new Error(`${field.toString()} is of an unsupported kind`);
}
