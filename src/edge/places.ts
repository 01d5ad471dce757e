/** The places of requests of one kind: at most as many are taken as `limit()` says at the time. */
export class Places {
  readonly #limit: () => number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Takes a place; false where there is none. */
  take(): boolean {
    if (this.#taken >= this.#limit()) return false;
    this.#taken += 1;
    return true;
  }

  /** Resolves once it has taken a place: those that become free go to who waits for one, in the order of asking. */
  takeNext(): Promise<void> {
    if (this.take()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives a place free. */
  give(): void {
    this.#taken -= 1;
    while (this.#waiting.length > 0 && this.take()) this.#waiting.shift()?.();
  }
}
