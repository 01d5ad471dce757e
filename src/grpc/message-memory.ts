/** Memory that was acquired, until it is released. */
export interface MemoryLease {
  /** Says how much it has become; releases it where that is 0. May be called again. */
  resize(bytes: number): void;
}

/** What bounds the memory of all messages that are received at the same time. */
export interface MessageMemory {
  /** Acquires so many bytes, if they are there now. */
  tryAcquire(bytes: number): MemoryLease | undefined;
  /**
   * Acquires so many bytes, in its turn; rejects when too many wait, and when `signal` aborts. `owner` tells for whom,
   * where that matters to the order.
   */
  acquire(
    bytes: number,
    options?: { readonly signal?: AbortSignal; readonly owner?: string | undefined },
  ): Promise<MemoryLease>;
}

/** Messages up to this size are received without asking, in bytes: they are there before anything could be done. */
export const unaskedBytes = 64 * 1024;

/** Memory without a bound. */
export const unboundedMemory: MessageMemory = {
  tryAcquire: () => ({ resize: () => undefined }),
  acquire: () => Promise.resolve({ resize: () => undefined }),
};
