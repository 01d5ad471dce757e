import { setTimeout as delay } from "node:timers/promises";
import { Counter, Histogram, Registry } from "prom-client";
import { addGauges, requestKinds } from "./gauges.ts";
import type { Readings, RequestKind } from "./gauges.ts";

/** The results of a use of the API-key cache: `stale` is stale-if-error, `denied` a cached denial, `miss` a lookup. */
const keyLookupResults = ["hit", "denied", "stale", "miss", "failed"] as const;
export type KeyLookupResult = (typeof keyLookupResults)[number];

/** The types of events that are sent to clients. */
const eventTypes = ["step_update", "workflow_update", "stream_error"] as const;

/** The outcomes of a download that its caller is allowed to make. */
const downloadOutcomes = [
  "complete",
  "partial",
  "head",
  "not_modified",
  "precondition_failed",
  "range_not_satisfiable",
  "not_found",
  "aborted",
  "rejected",
  "mismatch",
  "store_failed",
  "failed",
] as const;
/** The outcomes of an event of Stripe: `rejected` is a payment that adds no credits, `failed` one that is sent again. */
const stripeEventOutcomes = ["credited", "ignored", "rejected", "unverified", "failed"] as const;

export type DownloadOutcome = (typeof downloadOutcomes)[number];

/** The concurrency limits of which one API key may use only a share. */
export const sharedLimits = [
  "event_streams",
  "downloads",
  "requests_event_stream",
  "requests_with_body",
  "requests_other",
] as const;
export type SharedLimit = (typeof sharedLimits)[number];

/** The metrics of one gateway. No label has values that clients can choose. */
export interface Metrics {
  readonly contentType: string;
  /**
   * The Prometheus text format of every metric. Concurrent calls share a result. Rendering takes at most a tenth of the
   * time, so that a call may have to wait.
   */
  render(): Promise<string>;
  /** Adds the gauges, which are read at each rendering. */
  watch(readings: Readings): void;
  /** Counts a response. `path` is the path template of the route, never the raw path. */
  observeRequest(method: string, path: string, status: number, seconds: number): void;
  /** Counts a response of load shedding, or to a malformed request, which has no `method`. */
  countUnmatched(status: number, method?: string): void;
  /** Counts a request that load shedding rejected. `countUnmatched` counts its response. */
  countShed(kind: RequestKind): void;
  /** Counts a request that was rejected because its API key used its whole share of a limit. */
  countOverShare(limit: SharedLimit): void;
  /** Counts a gRPC call that has ended. `method` is the name of an RPC, `code` a canonical code name. */
  observeGrpcCall(method: string, code: string, seconds: number): void;
  /** Counts a session that an orchestrator closed because of keepalive pings. */
  countKeepaliveRejected(): void;
  countKeyLookup(result: KeyLookupResult): void;
  countEvent(type: (typeof eventTypes)[number]): void;
  countDownload(outcome: DownloadOutcome): void;
  countStripeEvent(outcome: (typeof stripeEventOutcomes)[number]): void;
  /** Counts bytes of artifacts that were written to a client's connection. */
  countSentBytes(bytes: number): void;
  /** Counts a client that was disconnected because too many bytes waited for it. */
  countSlowClientDisconnected(): void;
}

/** The `path` label of requests that match no route. */
export const unmatched = "(unmatched)";

/** The `method` label of a request whose method was not read, and of methods that are rare: Node's parser knows dozens. */
const unread = "(unread)";
const otherMethod = "(other)";

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

function methodLabel(method: string): string {
  return methods.has(method) ? method : otherMethod;
}

/**
 * Upper bounds of the buckets for times that a client waits, in seconds. 1 and 2 are thresholds of alerts: Prometheus
 * interpolates a quantile between two bounds, so without a bound at 2 a p95 of 1.2 would be estimated as above 2.
 */
const waitBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 10, 30];

/** Upper bounds for streams, which last minutes and hours, in seconds. */
const streamBuckets = [60, 300, 900, 3600];

/** No rendering begins for nine times as long as the last one took, or for a second if that is shorter. */
const pauseRatio = 9;
const maxPauseMs = 1000;

/** Creates the metrics, at zero, in addition to those that `registry` has. */
export function createMetrics(registry = new Registry()): Metrics {
  const registers = [registry];

  function counter(name: string, help: string) {
    return new Counter({ name: `foldforge_gateway_${name}`, help, registers });
  }

  /** A counter with one label. Each of its values starts at 0: a rate needs a sample before the first count. */
  function labelled<T extends string>(name: string, help: string, label: string, values: readonly T[]) {
    const counter = new Counter({ name: `foldforge_gateway_${name}`, help, labelNames: [label], registers });
    for (const value of values) counter.inc({ [label]: value }, 0);
    return (value: T) => counter.inc({ [label]: value });
  }

  const labelNames = ["method", "path", "status"] as const;
  const requests = new Counter({
    name: "foldforge_gateway_http_requests_total",
    help: "HTTP responses.",
    labelNames,
    registers,
  });
  const requestDuration = new Histogram({
    name: "foldforge_gateway_http_request_duration_seconds",
    help: "Time from the headers of a request to the headers of its response.",
    labelNames,
    buckets: waitBuckets,
    registers,
  });
  const callDuration = new Histogram({
    name: "foldforge_gateway_grpc_call_duration_seconds",
    help: "Duration of a gRPC call to the orchestrator; for an event stream, until it ends.",
    labelNames: ["method", "code"],
    buckets: [...waitBuckets, ...streamBuckets],
    registers,
  });
  const keepaliveRejected = counter(
    "grpc_keepalive_rejected_total",
    "Sessions that an orchestrator closed because of keepalive pings.",
  );
  const sentBytes = counter("artifact_sent_bytes_total", "Bytes of artifacts sent.");
  const slowClients = counter(
    "slow_clients_disconnected_total",
    "Clients that were disconnected because they read too slowly while too many bytes waited to be sent.",
  );

  let rendering: Promise<string> | undefined;
  let pauseEnd = 0;

  async function renderNext(): Promise<string> {
    const pause = pauseEnd - performance.now();
    if (pause > 0) await delay(pause);
    // Later calls in this iteration of the event loop share the result.
    setImmediate(() => (rendering = undefined));
    const start = performance.now();
    const text = await registry.metrics();
    const end = performance.now();
    pauseEnd = end + Math.min(pauseRatio * (end - start), maxPauseMs);
    return text;
  }

  return {
    contentType: registry.contentType,
    render: () => (rendering ??= renderNext()),
    watch: (readings) => addGauges(registry, readings),
    observeRequest(method, path, status, seconds) {
      const labels = { method: methodLabel(method), path, status: String(status) };
      requests.inc(labels);
      requestDuration.observe(labels, seconds);
    },
    countUnmatched(status, method) {
      const label = method === undefined ? unread : methodLabel(method);
      requests.inc({ method: label, path: unmatched, status: String(status) });
    },
    countShed: labelled(
      "http_requests_shed_total",
      "HTTP requests that were rejected because too many requests were in flight.",
      "kind",
      requestKinds,
    ),
    countOverShare: labelled(
      "http_requests_over_share_total",
      "HTTP requests that were rejected because their API key used its whole share of a limit.",
      "limit",
      sharedLimits,
    ),
    observeGrpcCall(method, code, seconds) {
      callDuration.observe({ method, code }, seconds);
    },
    countKeepaliveRejected: () => keepaliveRejected.inc(),
    countKeyLookup: labelled(
      "api_key_lookups_total",
      "Uses of the API-key cache, by result.",
      "result",
      keyLookupResults,
    ),
    countEvent: labelled("events_sent_total", "Events sent to clients.", "type", eventTypes),
    countDownload: labelled(
      "artifact_downloads_total",
      "Artifact downloads that have ended, by outcome.",
      "outcome",
      downloadOutcomes,
    ),
    countStripeEvent: labelled(
      "stripe_events_total",
      "Events received at the webhook of Stripe, by outcome.",
      "outcome",
      stripeEventOutcomes,
    ),
    countSentBytes: (bytes) => sentBytes.inc(bytes),
    countSlowClientDisconnected: () => slowClients.inc(),
  };
}
