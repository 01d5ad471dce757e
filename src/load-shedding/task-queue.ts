import { setImmediate as nextTurn } from "node:timers/promises";
import { FairQueue } from "./fair-queue.ts";

/** How long tasks run in one iteration of the event loop, in milliseconds. */
const turnMs = 8;

interface Task {
  /** Runs one slice; returns whether it was the last. */
  runSlice(): boolean;
  reject(error: unknown): void;
}

/**
 * Runs long computations for a few milliseconds in each iteration of the event loop, so that other requests are served in
 * between, however many tasks there are. The tasks of one owner run one after another; the owner that has used least
 * time while it waited runs next.
 */
export class TaskQueue {
  readonly #tasks = new FairQueue<Task>();
  #isRunning = false;

  /** Resolves to the return value of `slices`; rejects with what they throw. */
  run<T>(owner: string | undefined, slices: Iterator<void, T>): Promise<T> {
    return this.#add(owner, (resolve) => {
      const result = slices.next();
      if (result.done === true) resolve(result.value);
      return result.done === true;
    });
  }

  /** Runs `work` in a separate iteration; resolves to its return value. */
  runOnce<T>(owner: string | undefined, work: () => T): Promise<T> {
    return this.#add<T>(owner, (resolve) => {
      resolve(work());
      return true;
    });
  }

  #add<T>(owner: string | undefined, runSlice: (resolve: (value: T) => void) => boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#tasks.push(owner, { runSlice: () => runSlice(resolve), reject });
      if (!this.#isRunning) void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    while (this.#tasks.length > 0) {
      await nextTurn();
      const { first } = this.#tasks;
      if (first === undefined) break;
      const { owner, item: task } = first;
      const start = performance.now();
      const isDone = runForOneTurn(task);
      this.#tasks.spend(owner, performance.now() - start);
      if (isDone) this.#tasks.remove(owner, task);
    }
    this.#isRunning = false;
  }
}

/** Runs all slices without a pause; returns their return value. */
export function runSync<T>(slices: Iterator<void, T>): T {
  for (;;) {
    const result = slices.next();
    if (result.done === true) return result.value;
  }
}

/** Runs slices until the iteration's time is used; returns whether the task is done. */
function runForOneTurn(task: Task): boolean {
  const end = performance.now() + turnMs;
  try {
    do {
      if (task.runSlice()) return true;
    } while (performance.now() < end);
    return false;
  } catch (error) {
    task.reject(error);
    return true;
  }
}
