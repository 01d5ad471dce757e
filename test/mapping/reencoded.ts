import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A field number that no message has. */
const unknownField = 1000;

/** A pseudorandom generator: each call returns an integer from 0 to `count - 1`. */
export function seededRandom(seed: number): (count: number) => number {
  let state = seed | 0;
  return (count) => {
    // The linear congruential generator of Numerical Recipes. Its high bits are the more random ones.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * count);
  };
}

/**
 * The same message in another valid encoding: fields and map entries in another order, map entries that later ones
 * replace, and unknown fields. Nested messages are re-encoded too.
 */
export function reencoded(
  desc: DescMessage,
  bytes: Uint8Array,
  random: (count: number) => number,
): Uint8Array {
  return reencodedFields(bytes, random, (number) => {
    const field = desc.fields.find((own) => own.number === number);
    return { isMap: field?.fieldKind === "map", message: field?.message };
  });
}

/** The type of the length-delimited values of a field: map entries, or messages. */
interface Nested {
  readonly isMap: boolean;
  readonly message: DescMessage | undefined;
}

function reencodedFields(
  bytes: Uint8Array,
  random: (count: number) => number,
  nestedIn: (number: number) => Nested,
): Uint8Array {
  const reader = new BinaryReader(bytes);
  const values = new Map<number, Uint8Array[]>();
  const replaced = new Map<number, Uint8Array[]>();
  const add = (to: typeof values, number: number, chunk: Uint8Array) => {
    const chunks = to.get(number);
    if (chunks === undefined) to.set(number, [chunk]);
    else chunks.push(chunk);
  };

  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    const { isMap, message } = nestedIn(number);
    if (isMap) {
      const entry = reader.bytes();
      const valueIn = (of: number) => ({ isMap: false, message: of === 2 ? message : undefined });
      add(values, number, chunkOf(number, reencodedFields(entry, random, valueIn)));
      // An entry with the same key and no value, which the later one replaces.
      if (random(4) === 0) add(replaced, number, chunkOf(number, keyOf(entry)));
    } else if (message !== undefined) {
      add(values, number, chunkOf(number, reencoded(message, reader.bytes(), random)));
    } else {
      reader.skip(wireType, number);
      add(values, number, bytes.subarray(start, reader.pos));
    }
  }
  for (const [number, chunks] of values)
    if (nestedIn(number).isMap)
      values.set(number, [...(replaced.get(number) ?? []), ...shuffled(chunks, random)]);
  for (let more = random(3); more > 0; more -= 1) add(values, unknownField + more, unknownChunk(random));
  return Buffer.concat(merged([...values.values()], random));
}

function keyOf(entry: Uint8Array): Uint8Array {
  const reader = new BinaryReader(entry);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === 1) writer.tag(1, WireType.LengthDelimited).bytes(reader.bytes());
    else reader.skip(wireType, number);
  }
  return writer.finish();
}

function chunkOf(number: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
}

function unknownChunk(random: (count: number) => number): Uint8Array {
  const number = unknownField + random(1000);
  const writer = new BinaryWriter();
  switch (random(5)) {
    case 0:
      return writer
        .tag(number, WireType.Varint)
        .uint64(2n ** 64n - 1n)
        .finish();
    case 1:
      return writer
        .tag(number, WireType.Bit32)
        .fixed32(random(2 ** 32))
        .finish();
    case 2:
      return writer.tag(number, WireType.Bit64).double(random(1000)).finish();
    case 3:
      return writer.tag(number, WireType.LengthDelimited).string("unknown").finish();
    default:
      writer.tag(number, WireType.StartGroup).tag(1, WireType.Varint).uint32(7);
      return writer.tag(number, WireType.EndGroup).finish();
  }
}

function shuffled<T>(items: readonly T[], random: (count: number) => number): T[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(random(rest.length), 1));
}

/** Merges lists, each of which keeps its order. */
function merged<T>(lists: readonly (readonly T[])[], random: (count: number) => number): T[] {
  const sources = shuffled(
    lists.flatMap((list, index) => list.map(() => index)),
    random,
  );
  const nextIndexes = lists.map(() => 0);
  return sources.map((index) => {
    const at = nextIndexes[index]!;
    nextIndexes[index] = at + 1;
    return lists[index]![at]!;
  });
}
