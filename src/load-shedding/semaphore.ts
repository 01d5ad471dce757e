/** A first-in, first-out semaphore. `limit()` returns the current number of permits. */
export class Semaphore {
  readonly #limit: () => number;
  readonly #waiters: (() => void)[] = [];
  #held = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** Acquires a permit at once; returns false when none is free or others wait. */
  tryAcquire(): boolean {
    this.#serveWaiters();
    if (this.#held >= this.#limit()) return false;
    this.#held += 1;
    return true;
  }

  /** Resolves when a permit is acquired. */
  acquire(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#serveWaiters();
    });
  }

  release(): void {
    this.#held -= 1;
    this.#serveWaiters();
  }

  #serveWaiters(): void {
    while (this.#waiters.length > 0 && this.#held < this.#limit()) {
      this.#held += 1;
      this.#waiters.shift()?.();
    }
  }
}
