/** Acquired memory. */
export interface MemoryLease {
  /** Changes the number of bytes; 0 releases the memory. May be called more than once. */
  resize(bytes: number): void;
}

/** Bounds the memory of received messages. */
export interface MessageMemory {
  /** Acquires `bytes` if they are free now. */
  tryAcquire(bytes: number): MemoryLease | undefined;
  /**
   * Waits for `bytes` and acquires them. Rejects if too many wait, or `signal` aborts. The order may depend on `owner`.
   */
  acquire(
    bytes: number,
    options?: { readonly signal?: AbortSignal; readonly owner?: string | undefined },
  ): Promise<MemoryLease>;
}

/** Messages up to this size, in bytes, acquire no memory: they are received before the server could be paused. */
export const smallMessageBytes = 64 * 1024;

/** Memory without a bound. */
export const unboundedMemory: MessageMemory = {
  tryAcquire: () => ({ resize: () => undefined }),
  acquire: () => Promise.resolve({ resize: () => undefined }),
};
