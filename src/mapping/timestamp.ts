import { WireType } from "@bufbuild/protobuf/wire";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { tagOf } from "./wire-reader.ts";
import type { WireReader } from "./wire-reader.ts";

/** The JSON of an absent Timestamp: the epoch, as in proto3. */
export const epoch = "1970-01-01T00:00:00.000Z";

/** The range of a `google.protobuf.Timestamp` (google/protobuf/timestamp.proto): the years 1 to 9999. */
const firstSecond = -62_135_596_800n;
const lastSecond = 253_402_300_799n;

/**
 * RFC 3339 in UTC, with milliseconds, or nanoseconds where milliseconds lose precision. Undefined for a time outside the
 * range.
 */
export function timestampToJson({
  seconds,
  nanos,
}: Pick<Timestamp, "seconds" | "nanos">): string | undefined {
  if (seconds < firstSecond || seconds > lastSecond || nanos < 0 || nanos >= 1e9) return undefined;
  const text = new Date(Number(seconds) * 1000 + Math.trunc(nanos / 1e6)).toISOString();
  const belowMillis = nanos % 1e6;
  return belowMillis === 0 ? text : text.replace("Z", `${String(belowMillis).padStart(6, "0")}Z`);
}

/** Reads the Timestamp that ends at `end`; returns the same as `timestampToJson`. */
export function readTimestamp(reader: WireReader, end: number): string | undefined {
  let seconds = 0n;
  let nanos = 0;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === tagOf(1, WireType.Varint)) seconds = BigInt(reader.int64());
    else if (tag === tagOf(2, WireType.Varint)) nanos = reader.int32();
    else reader.skipValue(tag, end);
  }
  reader.checkEnd(end);
  return timestampToJson({ seconds, nanos });
}
