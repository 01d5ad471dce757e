import type { Metrics } from "../telemetry/metrics.ts";
import type { ObserveCall } from "./observed-client.ts";

/** Measures how long each call takes, on a clock that never goes back. */
export function measuredCalls(metrics: Metrics): ObserveCall {
  return function measure(rpc, options) {
    const start = performance.now();
    return {
      options,
      end: (code) => metrics.observeGrpcCall(rpc, code, (performance.now() - start) / 1000),
    };
  };
}
