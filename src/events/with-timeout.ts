/** What `promise` brings, or undefined when it brings nothing for `silenceMs`. */
export function withTimeout<T>(promise: Promise<T>, silenceMs: number | undefined): Promise<T | undefined> {
  if (silenceMs === undefined) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, silenceMs, undefined);
    void promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
