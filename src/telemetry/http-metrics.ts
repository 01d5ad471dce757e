import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { fixedCounter } from "./fixed-counter.ts";
import { requestKinds } from "./gauges.ts";
import type { RequestKind } from "./gauges.ts";

/** The concurrency limits that one API key may hold only a share of. */
export const sharedLimits = [
  "event_streams",
  "downloads",
  "requests_event_stream",
  "requests_with_body",
  "requests_other",
] as const;
export type SharedLimit = (typeof sharedLimits)[number];

/** Counts the requests of clients. */
export interface HttpMetrics {
  /** Counts one answered request. `path` is the template of the route, never the raw path. */
  observeRequest(method: string, path: string, status: number, seconds: number): void;
  /** Counts a refusal before any route was looked for: it has no path and no duration, and may have no method. */
  countRefusal(status: number, method?: string): void;
  /** Counts one of these refusals as one for want of a place among the requests in flight. */
  countShed(kind: RequestKind): void;
  /** Counts a request that was turned away because its API key held its share of a limit. */
  countOverShare(limit: SharedLimit): void;
}

/** The `path` label of what matches no route. */
export const unmatched = "(unmatched)";

/** The `method` label of what could not be read, and of methods that are not in common use: the parser knows dozens. */
const unread = "(unread)";
const otherMethod = "(other)";

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

function methodLabel(method: string): string {
  return methods.has(method) ? method : otherMethod;
}

const labelNames = ["method", "path", "status"] as const;

/** Upper bounds of the buckets of what a client waits for, in seconds. */
export const waitBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Adds them to `registry`, with nothing counted. */
export function createHttpMetrics(registry: Registry): HttpMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: "foldforge_gateway_http_requests_total",
    help: "HTTP requests answered.",
    labelNames,
    registers,
  });
  const duration = new Histogram({
    name: "foldforge_gateway_http_request_duration_seconds",
    help: "Time from a request's head to its answer's head.",
    labelNames,
    buckets: [...waitBuckets],
    registers,
  });
  const countShed = fixedCounter(
    registry,
    {
      name: "foldforge_gateway_http_requests_shed_total",
      help: "HTTP requests refused for want of a place among those in flight.",
      label: "kind",
    },
    requestKinds,
  );
  const countOverShare = fixedCounter(
    registry,
    {
      name: "foldforge_gateway_http_requests_over_share_total",
      help: "HTTP requests turned away because their API key held its share of a limit.",
      label: "limit",
    },
    sharedLimits,
  );

  return {
    observeRequest(method, path, status, seconds) {
      const labels = { method: methodLabel(method), path, status: String(status) };
      requests.inc(labels);
      duration.observe(labels, seconds);
    },
    countRefusal(status, method) {
      const label = method === undefined ? unread : methodLabel(method);
      requests.inc({ method: label, path: unmatched, status: String(status) });
    },
    countShed,
    countOverShare,
  };
}
