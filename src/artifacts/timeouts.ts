import type { Readable } from "node:stream";

/**
 * What `ask` resolves to. It is aborted when `signal` aborts, when it has taken `ms`, and when it fails, since it may
 * have left something open; once it has resolved, nothing aborts it any more.
 */
export async function withTimeout<T>(
  ms: number,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const leave = () => controller.abort(signal.reason);
  const timer = setTimeout(() => {
    controller.abort(new Error(`the object store did not answer within ${ms} ms`));
  }, ms);
  signal.addEventListener("abort", leave);
  try {
    return await ask(controller.signal);
  } catch (error) {
    controller.signal.throwIfAborted();
    controller.abort();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
  }
}

/** Makes `source` fail once it has brought nothing for `ms`, not counted the time for which its reader pauses it. */
export function withIdleTimeout(source: Readable, ms: number): void {
  let isPaused = false;
  const timer = setTimeout(function silent() {
    // A timer that has run out starts anew when the reader goes on.
    if (!isPaused) source.destroy(new Error(`the object store sent nothing for ${ms} ms`));
  }, ms);

  // Else a listener for its bytes would let them go before the reader is there.
  source.pause();
  source
    .on("pause", () => (isPaused = true))
    .on("resume", () => {
      isPaused = false;
      timer.refresh();
    })
    .on("data", () => timer.refresh())
    .once("close", () => clearTimeout(timer));
}
