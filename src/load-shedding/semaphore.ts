/** The places of requests of one kind: at most as many are taken as `limit()` says at the time. */
export class Semaphore {
  readonly #limit: () => number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#taken;
  }

  /** Takes a place; false where there is none, or somebody waits for it. */
  tryAcquire(): boolean {
    this.#letIn();
    if (this.#taken >= this.#limit()) return false;
    this.#taken += 1;
    return true;
  }

  /** Resolves once it has taken a place: those that become free go to who waits for one, in the order of asking. */
  acquire(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#letIn();
    });
  }

  /** Gives a place free. */
  release(): void {
    this.#taken -= 1;
    this.#letIn();
  }

  #letIn(): void {
    while (this.#waiting.length > 0 && this.#taken < this.#limit()) {
      this.#taken += 1;
      this.#waiting.shift()?.();
    }
  }
}
