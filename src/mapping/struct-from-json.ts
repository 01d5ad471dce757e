import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { ReverseWriter } from "./reverse-writer.ts";
import { entryTag, keyTag, kind, valueTag } from "./struct-tags.ts";

/** Entries that are written in one slice, which takes about a millisecond. All keys of an object are listed in one slice. */
const entriesPerStep = 4096;

/** Longer strings are written in several slices, in characters. */
const maxStringLength = 64 * 1024;

/** An open object or list. */
interface Level {
  readonly json: JsonObject | readonly JsonValue[];
  /** The keys of an object. */
  readonly names: readonly string[] | undefined;
  /** Entries that are not written yet. The last of them is written next. */
  left: number;
  /** The length of the output before the first entry was written. */
  readonly end: number;
}

/** Writes `object` as a `google.protobuf.Struct`, in short slices. */
export function* writeStructFromJson(object: JsonObject, out: ReverseWriter): Generator<void, void> {
  const outer: Level[] = [];
  let level = levelOf(object, out.length);
  for (let entries = 1; ; entries += 1) {
    if (entries % entriesPerStep === 0) yield;
    if (level.left === 0) {
      const parent = outer.pop();
      if (parent === undefined) return;
      out.prefix(level.names === undefined ? kind.list : kind.struct, level.end);
      completeEntry(out, parent, level.end);
      level = parent;
      continue;
    }
    const value = valueOf(level);
    const end = out.length;
    if (typeof value === "object" && value !== null) {
      outer.push(level);
      level = levelOf(value, end);
    } else {
      if (typeof value === "string" && value.length > maxStringLength) {
        yield* out.stringInSlices(value);
        out.byte(kind.string);
      } else writeScalar(out, value);
      completeEntry(out, level, end);
    }
  }
}

function levelOf(json: JsonObject | readonly JsonValue[], end: number): Level {
  if (isList(json)) return { json, names: undefined, left: json.length, end };
  const names = Object.keys(json);
  return { json, names, left: names.length, end };
}

/** `Array.isArray` does not narrow a `readonly` array. */
function isList(json: JsonObject | readonly JsonValue[]): json is readonly JsonValue[] {
  return Array.isArray(json);
}

/** The value of the next entry. */
function valueOf({ json, names, left }: Level): JsonValue {
  if (isList(json)) return json[left - 1] ?? null;
  return json[names?.[left - 1] ?? ""] ?? null;
}

/**
 * Completes the next entry of `level` after its value: writes the key and the tags, which precede the value. `end` is the
 * length of the output before the value was written.
 */
function completeEntry(out: ReverseWriter, level: Level, end: number): void {
  level.left -= 1;
  const name = level.names?.[level.left];
  if (name !== undefined) {
    out.prefix(valueTag, end);
    out.string(name);
    out.byte(keyTag);
  }
  out.prefix(entryTag, end);
}

function writeScalar(out: ReverseWriter, value: string | number | boolean | null): void {
  if (typeof value === "number") {
    out.double(value);
    out.byte(kind.number);
  } else if (typeof value === "string") {
    out.string(value);
    out.byte(kind.string);
  } else {
    out.byte(value === true ? 1 : 0);
    out.byte(value === null ? kind.null : kind.bool);
  }
}
