interface Entry<T> {
  readonly owner: string | undefined;
  readonly item: T;
}

/** The entries of one owner, at least one. */
interface OwnerQueue<T> {
  readonly entries: Entry<T>[];
  /** The virtual time of the queue at the owner's arrival, plus the cost of the owner's turns. */
  spent: number;
}

/**
 * A fair queue between owners. The items of one owner are served in the order of arrival; the owner whose turns have
 * cost least while it waited is served first. An owner with many or costly items does not delay the others. Items
 * without an owner (undefined) count as those of one owner. Memory grows only with the items that wait.
 */
export class FairQueue<T> {
  readonly #queues = new Map<string | undefined, OwnerQueue<T>>();
  #length = 0;
  /** What the owner of the latest turn had spent before it; new owners start here. */
  #virtualTime = 0;

  get length(): number {
    return this.#length;
  }

  lengthOf(owner: string | undefined): number {
    return this.#queues.get(owner)?.entries.length ?? 0;
  }

  /** The next entry. */
  get first(): Entry<T> | undefined {
    return this.#cheapest()?.entries[0];
  }

  push(owner: string | undefined, item: T): void {
    const queue = this.#queues.get(owner);
    if (queue === undefined)
      this.#queues.set(owner, { entries: [{ owner, item }], spent: this.#virtualTime });
    else queue.entries.push({ owner, item });
    this.#length += 1;
  }

  /** Charges the cost of a turn to an owner that waits. */
  spend(owner: string | undefined, cost: number): void {
    const queue = this.#queues.get(owner);
    if (queue === undefined) return;
    this.#virtualTime = queue.spent;
    queue.spent += cost;
  }

  remove(owner: string | undefined, item: T): void {
    const queue = this.#queues.get(owner);
    const index = queue?.entries.findIndex((entry) => entry.item === item) ?? -1;
    if (queue === undefined || index < 0) return;
    queue.entries.splice(index, 1);
    this.#length -= 1;
    if (queue.entries.length > 0) return;
    this.#queues.delete(owner);
    // An owner that returns at once must not come before those that have waited all the time.
    this.#virtualTime = Math.max(
      this.#virtualTime,
      Math.min(queue.spent, this.#cheapest()?.spent ?? queue.spent),
    );
  }

  #cheapest(): OwnerQueue<T> | undefined {
    let cheapest: OwnerQueue<T> | undefined;
    for (const queue of this.#queues.values()) {
      if (cheapest === undefined || queue.spent < cheapest.spent) cheapest = queue;
    }
    return cheapest;
  }
}
