import { setImmediate as nextTurn } from "node:timers/promises";
import { FairQueue } from "./fair-queue.ts";

/** How long one turn of the event loop is used for tasks, in milliseconds. */
const turnMs = 8;

interface Task {
  /** Does a step; returns whether it was the last one. */
  step(): boolean;
  reject(error: unknown): void;
}

/**
 * Runs work that takes long, a few milliseconds of it in each turn of the event loop, so that everything else goes on
 * meanwhile, however many tasks there are. The tasks of one owner run one after another; of all owners, the one that has
 * taken least time while it waited has the next turn.
 */
export class TaskQueue {
  readonly #tasks = new FairQueue<Task>();
  #isRunning = false;

  /** Resolves to what `steps` return when all are done; rejects with what they throw. */
  run<T>(owner: string | undefined, steps: Iterator<void, T>): Promise<T> {
    return this.#add(owner, (resolve) => {
      const result = steps.next();
      if (result.done === true) resolve(result.value);
      return result.done === true;
    });
  }

  /** Resolves to what `step` returns, in a turn of its own. */
  runOnce<T>(owner: string | undefined, step: () => T): Promise<T> {
    return this.#add<T>(owner, (resolve) => {
      resolve(step());
      return true;
    });
  }

  #add<T>(owner: string | undefined, step: (resolve: (value: T) => void) => boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#tasks.push(owner, { step: () => step(resolve), reject });
      if (!this.#isRunning) void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    while (this.#tasks.length > 0) {
      await nextTurn();
      const { first } = this.#tasks;
      if (first === undefined) break;
      const { owner, item } = first;
      const start = performance.now();
      const isOver = runTurn(item);
      this.#tasks.spend(owner, performance.now() - start);
      if (isOver) this.#tasks.remove(owner, item);
    }
    this.#isRunning = false;
  }
}

/** Does all steps at once; returns what they return. */
export function runSync<T>(steps: Iterator<void, T>): T {
  for (;;) {
    const result = steps.next();
    if (result.done === true) return result.value;
  }
}

/** Does steps of a task until its time is over; returns whether there are no more. */
function runTurn(task: Task): boolean {
  const end = performance.now() + turnMs;
  try {
    do {
      if (task.step()) return true;
    } while (performance.now() < end);
    return false;
  } catch (error) {
    task.reject(error);
    return true;
  }
}
