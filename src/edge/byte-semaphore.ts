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

/** Most who wait; each holds what has come of a message already. */
const maxWaiting = 1024;

/** Memory that many use at the same time, within one bound. */
export class ByteSemaphore {
  readonly limit: number;
  readonly #waiters: Waiter[] = [];
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes in use; more than the limit where `use` has said so. */
  get used(): number {
    return this.#used;
  }

  /** The one who has waited for longest, with the time of its asking on the clock of `performance`. */
  get firstWaiter(): Pick<Waiter, "bytes" | "since"> | undefined {
    return this.#waiters[0];
  }

  /** Acquires so many bytes, if they are there now and nobody waits. */
  tryAcquire(bytes: number): Lease | undefined {
    return this.#waiters.length === 0 && this.#fits(bytes) ? this.#lease(bytes) : undefined;
  }

  /** Acquires so many bytes, in the order of asking; rejects when too many wait, and when `signal` aborts. */
  acquire(bytes: number, signal?: AbortSignal): Promise<Lease> {
    if (this.#waiters.length >= maxWaiting)
      return Promise.reject(new Error("too many messages wait for memory"));
    return new Promise((resolve, reject) => {
      const grant = () => {
        signal?.removeEventListener("abort", leave);
        resolve(this.#lease(bytes));
      };
      const waiter = { bytes, since: performance.now(), grant };
      const leave = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(new Error("nobody waits for the message any more"));
        this.#grantAll();
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
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
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (!this.#fits(first.bytes)) return;
      this.#waiters.shift();
      first.grant();
    }
  }
}
