import type { MemoryLease, MessageMemory } from "../grpc/index.ts";
import { FairQueue } from "./fair-queue.ts";

/** A call of `acquire` that waits. */
interface Waiter {
  readonly bytes: number;
  readonly since: number;
  grant(): void;
}

type AcquireOptions = Parameters<MessageMemory["acquire"]>[1];

/** The maximum number of waiters of one owner. Each holds the part of a message that was already received. */
const maxWaiting = 1024;

/**
 * A semaphore over bytes of memory. The waiters of one owner are served in the order of their calls; the owner that was
 * granted least while it waited is served first.
 */
export class ByteSemaphore implements MessageMemory {
  readonly limit: number;
  readonly #waiters = new FairQueue<Waiter>();
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes in use; may exceed the limit, since `use` adds bytes without waiting. */
  get used(): number {
    return this.#used;
  }

  /** The next waiter; `since` is the time of its call by `performance.now()`. */
  get firstWaiter(): Pick<Waiter, "bytes" | "since"> | undefined {
    return this.#waiters.first?.item;
  }

  /** Acquires the bytes at once; undefined when they are not free or others wait. */
  tryAcquire(bytes: number): MemoryLease | undefined {
    return this.#waiters.length === 0 && this.#fits(bytes) ? this.#lease(bytes) : undefined;
  }

  /** Waits for the bytes; rejects when the owner has too many waiters and when `signal` aborts. */
  acquire(bytes: number, { signal, owner }: AcquireOptions = {}): Promise<MemoryLease> {
    if (this.#waiters.lengthOf(owner) >= maxWaiting)
      return Promise.reject(new Error("too many messages wait for memory"));
    return new Promise((resolve, reject) => {
      const grant = () => {
        signal?.removeEventListener("abort", cancel);
        resolve(this.#lease(bytes));
      };
      const waiter = { bytes, since: performance.now(), grant };
      const cancel = () => {
        this.#waiters.remove(owner, waiter);
        reject(new Error("the wait for memory was cancelled"));
        this.#grantAll();
      };
      signal?.addEventListener("abort", cancel, { once: true });
      this.#waiters.push(owner, waiter);
      this.#grantAll();
    });
  }

  /** Adds bytes to those in use without waiting, beyond the limit too; a negative number releases bytes. */
  use(bytes: number): void {
    this.#used += bytes;
    if (bytes < 0) this.#grantAll();
  }

  /** A message larger than the limit is granted when nothing else is in use. */
  #fits(bytes: number): boolean {
    return this.#used + bytes <= this.limit || this.#used <= 0;
  }

  #lease(bytes: number): MemoryLease {
    let held = bytes;
    this.#used += bytes;
    return {
      resize: (wanted) => {
        const more = wanted - held;
        held = wanted;
        this.use(more);
      },
    };
  }

  #grantAll(): void {
    for (let { first } = this.#waiters; first !== undefined; { first } = this.#waiters) {
      const { owner, item } = first;
      if (!this.#fits(item.bytes)) return;
      this.#waiters.spend(owner, item.bytes);
      this.#waiters.remove(owner, item);
      item.grant();
    }
  }
}
