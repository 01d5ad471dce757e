import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** RFC 3339 in UTC, with nanoseconds only where there are any. An absent time is the epoch, as in proto3. */
export function timeToJson(time: Timestamp | undefined): string {
  if (time === undefined) return "1970-01-01T00:00:00.000Z";
  const text = new Date(Number(time.seconds) * 1000 + Math.trunc(time.nanos / 1e6)).toISOString();
  const belowMillis = time.nanos % 1e6;
  return belowMillis === 0 ? text : text.replace("Z", `${String(belowMillis).padStart(6, "0")}Z`);
}
