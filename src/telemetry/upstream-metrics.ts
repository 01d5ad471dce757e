import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { waitBuckets } from "./http-metrics.ts";

/** Counts calls to the orchestrator. */
export interface UpstreamMetrics {
  /** Counts one gRPC call, over after `seconds`. `rpc` is a name of the service's, `code` a canonical one. */
  observeUpstreamCall(rpc: string, code: string, seconds: number): void;
  /** Counts a session that an orchestrator has ended because of the pings on it. */
  countRefusedPings(): void;
}

/** Upper bounds for streams, which last for minutes and hours, in seconds. */
const streamBuckets = [60, 300, 900, 3600];

/** Adds them to `registry`, with nothing counted. */
export function createUpstreamMetrics(registry: Registry): UpstreamMetrics {
  const duration = new Histogram({
    name: "foldforge_gateway_upstream_call_duration_seconds",
    help: "Time of a whole gRPC call to the orchestrator; of an event stream, until its end.",
    labelNames: ["rpc", "code"],
    buckets: [...waitBuckets, ...streamBuckets],
    registers: [registry],
  });
  const refusedPings = new Counter({
    name: "foldforge_gateway_keepalive_refused_total",
    help: "Sessions that an orchestrator has ended because of the pings on them.",
    registers: [registry],
  });
  return {
    observeUpstreamCall(rpc, code, seconds) {
      duration.observe({ rpc, code }, seconds);
    },
    countRefusedPings: () => refusedPings.inc(),
  };
}
