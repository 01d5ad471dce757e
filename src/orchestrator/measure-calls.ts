import type { CallObserver } from "../grpc/index.ts";

/** Reports each call with its method, such as GetWorkflow, its canonical code and its duration on a monotonic clock. */
export function measureCalls(report: (method: string, code: string, seconds: number) => void): CallObserver {
  return {
    started({ method }) {
      const startedAt = performance.now();
      return { ended: (code) => report(method.name, code, (performance.now() - startedAt) / 1000) };
    },
  };
}
