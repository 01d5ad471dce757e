import { createHash } from "node:crypto";

/** A stream of numbers that its seed determines. */
export interface Random {
  /** A number in [low, high). */
  between(low: number, high: number): number;
  /** A whole number in [low, high]. */
  integer(low: number, high: number): number;
  /** One of `items`, each equally likely. */
  pick<T>(items: ArrayLike<T>): T;
}

/** The same seed gives the same numbers on every machine. */
export function createRandom(seed: string): Random {
  let block = Buffer.alloc(0);
  let offset = 0;
  let blocks = 0;

  function fraction(): number {
    if (offset === block.length) {
      block = createHash("sha256").update(`${seed}#${blocks++}`).digest();
      offset = 0;
    }
    const value = block.readUInt32BE(offset) / 2 ** 32;
    offset += 4;
    return value;
  }

  function integer(low: number, high: number): number {
    return low + Math.floor(fraction() * (high - low + 1));
  }

  return {
    between: (low, high) => low + fraction() * (high - low),
    integer,
    pick<T>(items: ArrayLike<T>): T {
      const item = items[integer(0, items.length - 1)];
      if (item === undefined) throw new RangeError("nothing to pick from");
      return item;
    },
  };
}
