import type { MemoryLease } from "./message-memory.ts";

/** A received message of the type `M` that is not decoded. Holds its memory until it is disposed. */
export class EncodedMessage<M> implements Disposable {
  #bytes: Uint8Array | undefined;
  readonly #lease: MemoryLease | undefined;
  /** Exists only for the compiler, to distinguish encoded messages of different types. */
  declare readonly type: M;

  constructor(bytes: Uint8Array, lease?: MemoryLease) {
    this.#bytes = bytes;
    this.#lease = lease;
  }

  /** Throws after the message is disposed. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new Error("the message is disposed of");
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    this.#bytes = undefined;
    this.#lease?.resize(0);
  }
}
