import { Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** The kinds of requests that have places of their own among those in flight. */
export const requestKinds = ["event_stream", "with_body", "other"] as const;
export type RequestKind = (typeof requestKinds)[number];

/** The kinds of verdicts on keys that have a cache of their own. */
export type VerdictKind = "good" | "denied";

/** A number for each kind. */
type Numbers<Kind extends string> = Readonly<Record<Kind, number>>;

/** What can be read of a gateway at any time. */
export interface Readings {
  readonly connections: () => number;
  readonly connectionsLimit: number;
  readonly requestsInFlight: () => Numbers<RequestKind>;
  readonly requestsInFlightLimit: () => number;
  readonly eventStreams: () => number;
  readonly eventStreamsLimit: number;
  readonly downloads: () => number;
  readonly downloadsLimit: number;
  readonly cachedVerdicts: () => Numbers<VerdictKind>;
  readonly bufferedBytes: () => number;
  readonly bufferedBytesLimit: number;
  readonly orchestrators: () => number;
  readonly orchestratorsReached: () => number;
}

/** Adds the gauges to `registry`. They are read when somebody asks for the metrics, and cost a request nothing. */
export function addGauges(registry: Registry, readings: Readings): void {
  const registers = [registry];

  function gauge(name: string, help: string, read: () => number) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  function gauges(name: string, help: string, read: () => Numbers<string>) {
    new Gauge({
      name,
      help,
      labelNames: ["kind"],
      registers,
      collect() {
        for (const [kind, value] of Object.entries(read())) this.set({ kind }, value);
      },
    });
  }

  gauge("foldforge_gateway_open_connections", "Connections of clients.", readings.connections);
  gauge(
    "foldforge_gateway_open_connections_limit",
    "Most connections of clients.",
    () => readings.connectionsLimit,
  );
  gauges(
    "foldforge_gateway_http_requests_in_flight",
    "HTTP requests whose answer has not begun.",
    readings.requestsInFlight,
  );
  gauge(
    "foldforge_gateway_http_requests_in_flight_limit",
    "Most HTTP requests of one kind in flight, at present: fewer while the event loop is late.",
    readings.requestsInFlightLimit,
  );
  gauge(
    "foldforge_gateway_open_event_streams",
    "Event streams that are open, reads that wait for a workflow's end among them.",
    readings.eventStreams,
  );
  gauge(
    "foldforge_gateway_open_event_streams_limit",
    "Most event streams.",
    () => readings.eventStreamsLimit,
  );
  gauge(
    "foldforge_gateway_open_artifact_downloads",
    "Transfers from the object store under way.",
    readings.downloads,
  );
  gauge(
    "foldforge_gateway_open_artifact_downloads_limit",
    "Most transfers from the object store.",
    () => readings.downloadsLimit,
  );
  gauges(
    "foldforge_gateway_key_cache_entries",
    "Verdicts on API keys that are kept, outdated ones among them.",
    readings.cachedVerdicts,
  );
  gauge(
    "foldforge_gateway_buffered_bytes",
    "Bytes that wait for clients, messages for them that are being received or written included.",
    readings.bufferedBytes,
  );
  gauge(
    "foldforge_gateway_buffered_bytes_limit",
    "Most bytes that wait for clients.",
    () => readings.bufferedBytesLimit,
  );
  gauge(
    "foldforge_gateway_orchestrators",
    "Addresses of orchestrators that calls may go to.",
    readings.orchestrators,
  );
  gauge(
    "foldforge_gateway_orchestrators_reached",
    "Those of them that were there when they were heard of last.",
    readings.orchestratorsReached,
  );
}
