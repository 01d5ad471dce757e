/** One that waits, and whose it is. */
interface Entry<T> {
  readonly owner: string | undefined;
  readonly item: T;
}

/** What waits of one owner, at least one; and what its turns have cost, counted from what others had spent when it came. */
interface OwnQueue<T> {
  readonly entries: Entry<T>[];
  spent: number;
}

/**
 * What waits for its turn: those of one owner in the order of asking, and first the owner whose turns have cost least
 * while it waited. Owners of much, or of what costs much, do not keep the others waiting. Those without an owner
 * (undefined) have one together. Memory grows with what waits only.
 */
export class FairQueue<T> {
  readonly #queues = new Map<string | undefined, OwnQueue<T>>();
  #length = 0;
  /** What those who come now begin with: no less than the owner of the last turn had spent before it. */
  #spent = 0;

  get length(): number {
    return this.#length;
  }

  /** How many wait of one owner. */
  lengthOf(owner: string | undefined): number {
    return this.#queues.get(owner)?.entries.length ?? 0;
  }

  /** The one whose turn it is. */
  get first(): Entry<T> | undefined {
    return this.#least()?.entries[0];
  }

  push(owner: string | undefined, item: T): void {
    const queue = this.#queues.get(owner);
    if (queue === undefined) this.#queues.set(owner, { entries: [{ owner, item }], spent: this.#spent });
    else queue.entries.push({ owner, item });
    this.#length += 1;
  }

  /** Says what the turn of an owner that waits has cost. */
  spend(owner: string | undefined, cost: number): void {
    const queue = this.#queues.get(owner);
    if (queue === undefined) return;
    this.#spent = queue.spent;
    queue.spent += cost;
  }

  /** Takes one out. */
  remove(owner: string | undefined, item: T): void {
    const queue = this.#queues.get(owner);
    const index = queue?.entries.findIndex((entry) => entry.item === item) ?? -1;
    if (queue === undefined || index < 0) return;
    queue.entries.splice(index, 1);
    this.#length -= 1;
    if (queue.entries.length > 0) return;
    this.#queues.delete(owner);
    // What it has spent is forgotten: should it come again at once, it is not to be before those who have waited on.
    this.#spent = Math.max(this.#spent, Math.min(queue.spent, this.#least()?.spent ?? queue.spent));
  }

  #least(): OwnQueue<T> | undefined {
    let least: OwnQueue<T> | undefined;
    for (const queue of this.#queues.values()) {
      if (least === undefined || queue.spent < least.spent) least = queue;
    }
    return least;
  }
}
