/** Resolves when `aborted` aborts. */
export function whenAborted(aborted: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (aborted.aborted) resolve();
    else aborted.addEventListener("abort", () => resolve(), { once: true });
  });
}
