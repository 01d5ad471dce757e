import { protocolError } from "./protocol.ts";
import type { Stream } from "./stream.ts";

const firstSlots = 64;
const maxSlots = 1 << 16;

/** Client streams have odd ids, up to 2^31-1 (RFC 9113 §5.1.1). */
export const lastStreamId = 2 ** 31 - 1;

/**
 * The open streams of a connection by their ids, in a ring of slots. A Map is copied every few streams, and each copy
 * references the next one: V8 then keeps the streams of its time, and what they have received, for much longer.
 */
export class StreamTable {
  #slots = emptySlots(firstSlots);
  /** The last stream of each slot that this side has reset; 0 if none. */
  readonly #reset = new Int32Array(256);
  /** The streams whose slot another one has. */
  readonly #others = new Map<number, Stream>();
  #size = 0;
  #nextId: number;

  /** `firstId` is odd. */
  constructor(firstId = 1) {
    this.#nextId = firstId;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether there is an id for another stream. */
  get hasIds(): boolean {
    return this.#nextId <= lastStreamId;
  }

  /** Adds a stream and gives it the next id. */
  add(stream: Stream): void {
    stream.id = this.#nextId;
    this.#nextId += 2;
    this.#size += 1;
    if (this.#place(stream)) return;
    this.#others.set(stream.id, stream);
    if (this.#size > this.#slots.length / 4 && this.#slots.length < maxSlots) this.#grow();
  }

  /** The open stream with this id; undefined if it is closed. Throws PROTOCOL_ERROR if it is idle (RFC 9113 §5.1). */
  get(id: number): Stream | undefined {
    if (id % 2 === 0 || id >= this.#nextId) throw protocolError(`a frame for the idle stream ${id}`);
    const stream = this.#slots[this.#slotOf(id)];
    if (stream !== undefined && stream.id === id) return stream;
    return this.#others.size === 0 ? undefined : this.#others.get(id);
  }

  delete(stream: Stream): void {
    const slot = this.#slotOf(stream.id);
    if (this.#slots[slot] === stream) this.#slots[slot] = undefined;
    else if (!this.#others.delete(stream.id)) return;
    this.#size -= 1;
  }

  /** The streams, oldest first. */
  all(): Stream[] {
    const streams = this.#slots.filter((stream) => stream !== undefined);
    return [...streams, ...this.#others.values()].sort((a, b) => a.id - b.id);
  }

  /** Remembers that this side has reset a stream: frames of it may still arrive (RFC 9113 §5.1, closed). */
  markReset(id: number): void {
    this.#reset[(id >>> 1) % this.#reset.length] = id;
  }

  /** Whether a closed stream may be one that this side has reset. Old ones count, since they are no longer known. */
  mayBeReset(id: number): boolean {
    return (this.#reset[(id >>> 1) % this.#reset.length] ?? 0) >= id;
  }

  #slotOf(id: number): number {
    return (id >>> 1) & (this.#slots.length - 1);
  }

  #place(stream: Stream): boolean {
    const slot = this.#slotOf(stream.id);
    if (this.#slots[slot] !== undefined) return false;
    this.#slots[slot] = stream;
    return true;
  }

  #grow(): void {
    const streams = this.all();
    this.#slots = emptySlots(this.#slots.length * 2);
    this.#others.clear();
    for (const stream of streams) if (!this.#place(stream)) this.#others.set(stream.id, stream);
  }
}

function emptySlots(length: number): (Stream | undefined)[] {
  return new Array<Stream | undefined>(length).fill(undefined);
}
