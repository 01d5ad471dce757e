import { setTimeout as delay } from "node:timers/promises";
import { Counter, Registry } from "prom-client";
import { fixedCounter } from "./fixed-counter.ts";
import { addGauges } from "./gauges.ts";
import type { Readings } from "./gauges.ts";
import { createHttpMetrics } from "./http-metrics.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import { createUpstreamMetrics } from "./upstream-metrics.ts";
import type { UpstreamMetrics } from "./upstream-metrics.ts";

/** How a question about an API key is answered: from the cache, `stale` for want of a lookup, or by one. */
export type KeyLookupResult = (typeof keyLookupResults)[number];
const keyLookupResults = ["hit", "denied", "stale", "miss", "failed"] as const;

/** The kinds of events that are sent to clients. */
const eventTypes = ["step_update", "workflow_update", "stream_error"] as const;

/** What becomes of a download that its caller may ask for. */
export type DownloadOutcome = (typeof downloadOutcomes)[number];
const downloadOutcomes = [
  "complete",
  "partial",
  "head",
  "not_modified",
  "precondition_failed",
  "range_not_satisfiable",
  "not_found",
  "aborted",
  "refused",
  "mismatch",
  "store_failed",
  "failed",
] as const;

/** The metrics of a gateway. None has a label whose values a client could add to. */
export interface Metrics extends HttpMetrics, UpstreamMetrics {
  readonly contentType: string;
  /** Everything in the Prometheus text format, as of now or of a little later: it takes a tenth of the time at most. */
  render(): Promise<string>;
  /** Adds gauges, which are read at each rendering. */
  watch(readings: Readings): void;
  countKeyLookup(result: KeyLookupResult): void;
  countEvent(type: (typeof eventTypes)[number]): void;
  countDownload(outcome: DownloadOutcome): void;
  /** Counts a client that was cut, since it read too slowly while too much waited. */
  countSlowClientCut(): void;
  /** Counts bytes of artifacts that were handed to a client's connection. */
  countSentBytes(bytes: number): void;
}

/** How much longer than a rendering takes there is none after it, at most a second: anybody may ask for one. */
const restPerWork = 9;
const maxRestMs = 1000;

/** Creates the metrics, with nothing counted, beside what `registry` already holds. */
export function createMetrics(registry = new Registry()): Metrics {
  const sentBytes = new Counter({
    name: "foldforge_gateway_artifact_sent_bytes_total",
    help: "Bytes of artifacts sent.",
    registers: [registry],
  });
  const slowClientsCut = new Counter({
    name: "foldforge_gateway_slow_clients_cut_total",
    help: "Clients that were cut, since they read too slowly while too much waited for all of them.",
    registers: [registry],
  });
  let rendering: Promise<string> | undefined;
  let restUntil = 0;

  async function renderNext(): Promise<string> {
    const rest = restUntil - performance.now();
    if (rest > 0) await delay(rest);
    // Whoever else asks in this turn of the event loop is not to have it done again.
    setImmediate(() => (rendering = undefined));
    const start = performance.now();
    const text = await registry.metrics();
    const end = performance.now();
    restUntil = end + Math.min(restPerWork * (end - start), maxRestMs);
    return text;
  }

  return {
    ...createHttpMetrics(registry),
    ...createUpstreamMetrics(registry),
    contentType: registry.contentType,
    render: () => (rendering ??= renderNext()),
    watch: (readings) => addGauges(registry, readings),
    countKeyLookup: fixedCounter(
      registry,
      {
        name: "foldforge_gateway_key_cache_lookups_total",
        help: "Questions about API keys, by how the cache answers them.",
        label: "result",
      },
      keyLookupResults,
    ),
    countEvent: fixedCounter(
      registry,
      {
        name: "foldforge_gateway_events_sent_total",
        help: "Events sent to clients.",
        label: "type",
      },
      eventTypes,
    ),
    countDownload: fixedCounter(
      registry,
      {
        name: "foldforge_gateway_artifact_downloads_total",
        help: "Downloads of artifacts that are over, by what became of them.",
        label: "outcome",
      },
      downloadOutcomes,
    ),
    countSlowClientCut: () => slowClientsCut.inc(),
    countSentBytes: (bytes) => sentBytes.inc(bytes),
  };
}
