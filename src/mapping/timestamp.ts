import { WireType } from "@bufbuild/protobuf/wire";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { JsonWriter } from "./json-writer.ts";
import { tagOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

/** The JSON of an absent Timestamp: the epoch, as in proto3. */
export const epoch = "1970-01-01T00:00:00.000Z";

/** The range of a `google.protobuf.Timestamp` (google/protobuf/timestamp.proto): the years 1 to 9999. */
const firstSecond = -62_135_596_800;
const lastSecond = 253_402_300_799;

/** A point in time within the range. */
export interface Time {
  readonly seconds: number;
  readonly nanos: number;
}

/**
 * RFC 3339 in UTC, with milliseconds, or nanoseconds where milliseconds lose precision. Undefined for a time outside the
 * range.
 */
export function timestampToJson({
  seconds,
  nanos,
}: Pick<Timestamp, "seconds" | "nanos">): string | undefined {
  const time = timeWithinRange(Number(seconds), nanos);
  if (time === undefined) return undefined;
  const text = new Date(time.seconds * 1000 + Math.trunc(nanos / 1e6)).toISOString();
  const belowMillis = nanos % 1e6;
  return belowMillis === 0 ? text : text.replace("Z", `${String(belowMillis).padStart(6, "0")}Z`);
}

/** Writes the same as a JSON string. `Date.toISOString` takes three times as long. */
export function writeTime({ seconds, nanos }: Time, out: JsonWriter): void {
  const date = new Date(seconds * 1000);
  out.writeAscii('"');
  out.writeDigits(date.getUTCFullYear(), 4, "-");
  out.writeDigits(date.getUTCMonth() + 1, 2, "-");
  out.writeDigits(date.getUTCDate(), 2, "T");
  out.writeDigits(date.getUTCHours(), 2, ":");
  out.writeDigits(date.getUTCMinutes(), 2, ":");
  out.writeDigits(date.getUTCSeconds(), 2, ".");
  if (nanos % 1e6 === 0) out.writeDigits(nanos / 1e6, 3, "Z");
  else out.writeDigits(nanos, 9, "Z");
  out.writeAscii('"');
}

/** Reads the Timestamp that ends at `end`; undefined for a time outside the range. */
export function readTime(reader: WireReader, end: number): Time | undefined {
  let seconds = 0;
  let nanos = 0;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === tagOf(1, WireType.Varint)) seconds = reader.int64AsNumber();
    else if (tag === tagOf(2, WireType.Varint)) nanos = reader.int32();
    else reader.skipValue(tag, end);
  }
  reader.checkEnd(end);
  return timeWithinRange(seconds, nanos);
}

function timeWithinRange(seconds: number, nanos: number): Time | undefined {
  const isWithin = seconds >= firstSecond && seconds <= lastSecond && nanos >= 0 && nanos < 1e9;
  return isWithin ? { seconds, nanos } : undefined;
}
