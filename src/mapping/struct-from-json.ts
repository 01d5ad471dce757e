import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { BackwardWriter } from "./backward-writer.ts";
import { entryTag, keyTag, kind, valueTag } from "./struct-tags.ts";

/** How many entries are written in one step: about a millisecond, but for the keys of an object, which are listed at once. */
const entriesPerStep = 4096;

/** An object, whose entries have names, or a list; the last entry of it that is not written, and where it ends. */
interface Level {
  readonly json: JsonObject | readonly JsonValue[];
  readonly names: readonly string[] | undefined;
  left: number;
  readonly end: number;
}

/**
 * The bytes of the `google.protobuf.Struct` that says the same as `object`, in short steps. They are written from the last
 * to the first: the length of what is nested is known where it is to be written.
 */
export function* structFromJson(object: JsonObject): Generator<void, Uint8Array> {
  const out = new BackwardWriter();
  const outer: Level[] = [];
  let level = levelOf(object, 0);
  for (let entries = 1; ; entries += 1) {
    if (entries % entriesPerStep === 0) yield;
    if (level.left === 0) {
      const parent = outer.pop();
      if (parent === undefined) return out.finish();
      out.varint(out.length - level.end);
      out.byte(level.names === undefined ? kind.list : kind.struct);
      beginEntry(out, parent, level.end);
      level = parent;
      continue;
    }
    const value = valueOf(level);
    const end = out.length;
    if (typeof value === "object" && value !== null) {
      outer.push(level);
      level = levelOf(value, end);
    } else {
      addScalar(out, value);
      beginEntry(out, level, end);
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

/** The value of the last entry that is left. */
function valueOf({ json, names, left }: Level): JsonValue {
  if (isList(json)) return json[left - 1] ?? null;
  return json[names?.[left - 1] ?? ""] ?? null;
}

/** Puts what comes before the value that is written, and ends at `end`, into the last entry that is left. */
function beginEntry(out: BackwardWriter, level: Level, end: number): void {
  level.left -= 1;
  const name = level.names?.[level.left];
  if (name !== undefined) {
    out.varint(out.length - end);
    out.byte(valueTag);
    out.string(name);
    out.byte(keyTag);
  }
  out.varint(out.length - end);
  out.byte(entryTag);
}

function addScalar(out: BackwardWriter, value: string | number | boolean | null): void {
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
