/** Memory that was acquired, until it is released. */
export interface MemoryLease {
  /** Changes the number of bytes; 0 releases the memory. May be called again. */
  resize(bytes: number): void;
}

/** Bounds the memory of all messages that are received at the same time. */
export interface MessageMemory {
  /** Acquires so many bytes if they are free now. */
  tryAcquire(bytes: number): MemoryLease | undefined;
  /**
   * Acquires so many bytes, in turn; rejects when too many wait, and when `signal` aborts. `owner` may decide the order.
   */
  acquire(
    bytes: number,
    options?: { readonly signal?: AbortSignal; readonly owner?: string | undefined },
  ): Promise<MemoryLease>;
}

/** Messages up to this size acquire no memory, in bytes: they are received before anything could be done. */
export const smallMessageBytes = 64 * 1024;

/** Memory without a bound. */
export const unboundedMemory: MessageMemory = {
  tryAcquire: () => ({ resize: () => undefined }),
  acquire: () => Promise.resolve({ resize: () => undefined }),
};
