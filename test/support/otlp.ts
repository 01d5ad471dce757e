import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A span as a collector receives it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the root of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: "server" | "client" | undefined;
  /** Nanoseconds since 1970. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Attributes;
  readonly isError: boolean;
  /** Of the service that sent it. */
  readonly resource: Attributes;
}

type Attributes = Readonly<Record<string, string | number | boolean>>;

/** The fields of a message by their numbers, each with all its values. */
type Fields = Map<number, (Uint8Array | bigint | number)[]>;

function fieldsOf(message: Uint8Array): Fields {
  const fields: Fields = new Map();
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value = valueOf(reader, type);
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

function valueOf(reader: BinaryReader, type: WireType): Uint8Array | bigint | number {
  if (type === WireType.Varint) return reader.uint64() as bigint;
  if (type === WireType.Bit64) return reader.fixed64() as bigint;
  if (type === WireType.Bit32) return reader.fixed32();
  return reader.bytes();
}

const bytes = (fields: Fields, number: number) => (fields.get(number) ?? []) as Uint8Array[];
const first = (fields: Fields, number: number) => fields.get(number)?.[0];
const hex = (fields: Fields, number: number) => Buffer.from(bytes(fields, number)[0] ?? []).toString("hex");
const text = (fields: Fields, number: number) => Buffer.from(bytes(fields, number)[0] ?? []).toString();

/** AnyValue: 1 string, 2 bool, 3 int, 4 double. */
function attributesOf(pairs: Uint8Array[]): Attributes {
  return Object.fromEntries(
    pairs.map((pair) => {
      const fields = fieldsOf(pair);
      const value = fieldsOf(bytes(fields, 2)[0] ?? new Uint8Array());
      if (value.has(1)) return [text(fields, 1), text(value, 1)];
      return [text(fields, 1), value.has(2) ? first(value, 2) === 1n : Number(first(value, 3))];
    }),
  );
}

const kinds = new Map<unknown, ReceivedSpan["kind"]>([
  [2n, "server"],
  [3n, "client"],
]);

function spanFrom(message: Uint8Array, resource: Attributes): ReceivedSpan {
  const fields = fieldsOf(message);
  return {
    traceId: hex(fields, 1),
    spanId: hex(fields, 2),
    parentSpanId: hex(fields, 4),
    name: text(fields, 5),
    kind: kinds.get(first(fields, 6)),
    start: first(fields, 7) as bigint,
    end: first(fields, 8) as bigint,
    attributes: attributesOf(bytes(fields, 9)),
    isError: bytes(fields, 15).some((status) => first(fieldsOf(status), 3) === 2n),
    resource,
  };
}

/**
 * The spans of an ExportTraceServiceRequest
 * (https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto).
 */
export function spansFrom(request: Uint8Array): ReceivedSpan[] {
  return bytes(fieldsOf(request), 1).flatMap((resourceSpans) => {
    const fields = fieldsOf(resourceSpans);
    const resource = attributesOf(bytes(fieldsOf(bytes(fields, 1)[0] ?? new Uint8Array()), 1));
    return bytes(fields, 2).flatMap((scopeSpans) =>
      bytes(fieldsOf(scopeSpans), 2).map((span) => spanFrom(span, resource)),
    );
  });
}
