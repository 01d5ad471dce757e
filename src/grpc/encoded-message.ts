import type { MemoryLease } from "./message-memory.ts";

/**
 * A message of the type `M` as it was received, for those who read only a part of it, or write it elsewhere. Its memory
 * counts until it is disposed of.
 */
export class EncodedMessage<M> implements Disposable {
  #bytes: Uint8Array | undefined;
  readonly #lease: MemoryLease | undefined;
  /** Only for the compiler, which would take encoded messages of all types for the same. */
  declare readonly type: M;

  constructor(bytes: Uint8Array, lease?: MemoryLease) {
    this.#bytes = bytes;
    this.#lease = lease;
  }

  /** Throws once it is disposed of. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new Error("the message is disposed of");
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    this.#bytes = undefined;
    this.#lease?.resize(0);
  }
}
