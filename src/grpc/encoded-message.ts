import type { MemoryLease } from "./message-memory.ts";

/** A received message of the type `M` that is not decoded. Its memory is held until it is disposed of. */
export class EncodedMessage<M> implements Disposable {
  #bytes: Uint8Array | undefined;
  readonly #lease: MemoryLease | undefined;
  /** Only for the compiler: makes encoded messages of different types differ. */
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
