import { setImmediate as nextTurn } from "node:timers/promises";

/** How long one turn of the event loop is used for tasks, in milliseconds. */
const turnMs = 8;

/**
 * Runs work that takes long, one task at a time and a few milliseconds in each turn of the event loop, so that everything
 * else goes on meanwhile, however many tasks there are.
 */
export class TaskQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves when all `steps` are done; rejects with what they throw. */
  run(steps: Iterator<void, void>): Promise<void> {
    return this.#enqueue(() => runSteps(steps));
  }

  /** Resolves to what `step` returns, in a turn of its own. */
  runOnce<T>(step: () => T): Promise<T> {
    return this.#enqueue(async () => {
      await nextTurn();
      return step();
    });
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

async function runSteps(steps: Iterator<void, void>): Promise<void> {
  for (;;) {
    await nextTurn();
    const end = performance.now() + turnMs;
    do {
      if (steps.next().done === true) return;
    } while (performance.now() < end);
  }
}
