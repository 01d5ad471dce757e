import { Counter, Histogram, Registry } from "prom-client";

/** The gateway's metrics, in a registry of their own. */
export interface Metrics {
  readonly contentType: string;
  /** Everything in the Prometheus text format. */
  render(): Promise<string>;
  /** Counts one answered request. `path` is the template of the route, never the raw path. */
  observeRequest(method: string, path: string, status: number, seconds: number): void;
  /** Counts a refusal before any route was looked for: it has no path and no duration, and may have no method. */
  countRefusal(status: number, method?: string): void;
  /** Counts one gRPC call, over after `seconds`. `rpc` is a name of the service's, `code` a canonical one. */
  observeUpstreamCall(rpc: string, code: string, seconds: number): void;
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

/** Bounds in seconds: those of a request, and those of streams, which last for minutes and hours. */
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const streamBuckets = [60, 300, 900, 3600];

/** Creates the metrics, with nothing counted. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const requests = new Counter({
    name: "foldforge_gateway_http_requests_total",
    help: "HTTP requests answered.",
    labelNames,
    registers: [registry],
  });
  const duration = new Histogram({
    name: "foldforge_gateway_http_request_duration_seconds",
    help: "Time from a request's head to its answer's head.",
    labelNames,
    buckets: requestBuckets,
    registers: [registry],
  });
  const upstreamDuration = new Histogram({
    name: "foldforge_gateway_upstream_call_duration_seconds",
    help: "Time of a whole gRPC call to the orchestrator; of an event stream, until its end.",
    labelNames: ["rpc", "code"],
    buckets: [...requestBuckets, ...streamBuckets],
    registers: [registry],
  });
  let rendering: Promise<string> | undefined;

  return {
    contentType: registry.contentType,
    render() {
      if (rendering === undefined) {
        rendering = registry.metrics();
        // It takes milliseconds, and whoever else asks in this turn of the event loop is not to have it done again.
        setImmediate(() => (rendering = undefined));
      }
      return rendering;
    },
    observeRequest(method, path, status, seconds) {
      const labels = { method: methodLabel(method), path, status: String(status) };
      requests.inc(labels);
      duration.observe(labels, seconds);
    },
    countRefusal(status, method) {
      const label = method === undefined ? unread : methodLabel(method);
      requests.inc({ method: label, path: unmatched, status: String(status) });
    },
    observeUpstreamCall(rpc, code, seconds) {
      upstreamDuration.observe({ rpc, code }, seconds);
    },
  };
}
