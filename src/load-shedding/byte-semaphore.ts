import { FairQueue } from "./fair-queue.ts";

/** Bytes that were acquired. */
interface Lease {
  /** Says how many they have become; releases them where that is 0. */
  resize(bytes: number): void;
}

/** One who waits. */
interface Waiter {
  readonly bytes: number;
  readonly since: number;
  grant(): void;
}

/** For whom bytes are acquired. */
interface AcquireOptions {
  /** Aborts when nobody wants them any more. */
  readonly signal?: AbortSignal | undefined;
  /** Those of one owner are served in the order of asking, and first the owner that has been given least meanwhile. */
  readonly owner?: string | undefined;
}

/** Most of one owner who wait; each holds what has come of a message already. */
const maxWaiting = 1024;

/** Memory that many use at the same time, within one bound. */
export class ByteSemaphore {
  readonly limit: number;
  readonly #waiters = new FairQueue<Waiter>();
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes in use; more than the limit where `use` has said so. */
  get used(): number {
    return this.#used;
  }

  /** The one who is served next, with the time of its asking on the clock of `performance`. */
  get firstWaiter(): Pick<Waiter, "bytes" | "since"> | undefined {
    return this.#waiters.first?.item;
  }

  /** Acquires so many bytes, if they are there now and nobody waits. */
  tryAcquire(bytes: number): Lease | undefined {
    return this.#waiters.length === 0 && this.#fits(bytes) ? this.#lease(bytes) : undefined;
  }

  /** Acquires so many bytes, in its turn; rejects when too many of its owner wait, and when `signal` aborts. */
  acquire(bytes: number, { signal, owner }: AcquireOptions = {}): Promise<Lease> {
    if (this.#waiters.lengthOf(owner) >= maxWaiting)
      return Promise.reject(new Error("too many messages wait for memory"));
    return new Promise((resolve, reject) => {
      const grant = () => {
        signal?.removeEventListener("abort", leave);
        resolve(this.#lease(bytes));
      };
      const waiter = { bytes, since: performance.now(), grant };
      const leave = () => {
        this.#waiters.remove(owner, waiter);
        reject(new Error("nobody waits for the message any more"));
        this.#grantAll();
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiters.push(owner, waiter);
      this.#grantAll();
    });
  }

  /** Says that so many more bytes are in use, whether they are there or not; fewer, where `bytes` is below 0. */
  use(bytes: number): void {
    this.#used += bytes;
    if (bytes < 0) this.#grantAll();
  }

  /** One that is larger than all there may be is alone. */
  #fits(bytes: number): boolean {
    return this.#used + bytes <= this.limit || this.#used <= 0;
  }

  #lease(bytes: number): Lease {
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
