import type { Readable } from "node:stream";

/**
 * Resolves to the result of `send`. The signal given to it aborts when `signal` does, after `ms`, and when `send` fails,
 * to close what it has opened. After the result, nothing aborts it.
 */
export async function withTimeout<T>(
  ms: number,
  signal: AbortSignal,
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const timer = setTimeout(() => {
    controller.abort(new Error(`the object store did not respond within ${ms} ms`));
  }, ms);
  signal.addEventListener("abort", abort);
  try {
    return await send(controller.signal);
  } catch (error) {
    controller.signal.throwIfAborted();
    controller.abort();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

/** Destroys `source` with an error after `ms` without a byte; the time for which its reader pauses it does not count. */
export function withIdleTimeout(source: Readable, ms: number): void {
  let isPaused = false;
  let isIdle = false;
  const timer = setTimeout(function checkIdle() {
    isIdle = true;
    // If the event loop was blocked, bytes that have arrived meanwhile are read first.
    setImmediate(() => {
      if (isIdle && !isPaused) source.destroy(new Error(`the object store sent nothing for ${ms} ms`));
    });
  }, ms);
  function restart() {
    isIdle = false;
    // Restarts a timer that has fired, too.
    timer.refresh();
  }

  // Without the pause, the "data" listener below would start the stream before its reader is there.
  source.pause();
  source
    .on("pause", () => (isPaused = true))
    .on("resume", () => {
      isPaused = false;
      restart();
    })
    .on("data", restart)
    .once("close", () => clearTimeout(timer));
}
