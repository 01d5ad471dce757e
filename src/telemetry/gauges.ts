import { Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** The kinds of requests in flight; each has a concurrency limit of its own. */
export const requestKinds = ["event_stream", "with_body", "other"] as const;
export type RequestKind = (typeof requestKinds)[number];

/** The state of a gateway, at any time. */
export interface Readings {
  readonly connections: () => number;
  readonly connectionsLimit: number;
  readonly requestsInFlight: () => Readonly<Record<RequestKind, number>>;
  readonly requestsInFlightLimit: () => number;
  readonly eventStreams: () => number;
  readonly eventStreamsLimit: number;
  readonly downloads: () => number;
  readonly downloadsLimit: number;
  readonly apiKeyCacheEntries: () => { readonly allowed: number; readonly denied: number };
  readonly bufferedBytes: () => number;
  readonly bufferedBytesLimit: number;
  readonly subchannels: () => number;
  readonly readySubchannels: () => number;
}

/** Adds the gauges to `registry`. They are read when metrics are rendered, and cost a request nothing. */
export function addGauges(registry: Registry, readings: Readings): void {
  const registers = [registry];

  function gauge(name: string, help: string, read: () => number) {
    new Gauge({
      name: `foldforge_gateway_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  function labelled(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>) {
    new Gauge({
      name: `foldforge_gateway_${name}`,
      help,
      labelNames: [label],
      registers,
      collect() {
        for (const [value, number] of Object.entries(read())) this.set({ [label]: value }, number);
      },
    });
  }

  gauge("open_connections", "Open client connections.", readings.connections);
  gauge(
    "open_connections_limit",
    "Maximum number of open client connections.",
    () => readings.connectionsLimit,
  );
  labelled(
    "http_requests_in_flight",
    "HTTP requests whose response headers have not been sent.",
    "kind",
    readings.requestsInFlight,
  );
  gauge(
    "http_requests_in_flight_limit",
    "Maximum number of HTTP requests in flight of each kind. The limit falls while the event loop lags.",
    readings.requestsInFlightLimit,
  );
  gauge(
    "open_event_streams",
    "Open event streams, including reads that wait for a terminal state.",
    readings.eventStreams,
  );
  gauge(
    "open_event_streams_limit",
    "Maximum number of open event streams.",
    () => readings.eventStreamsLimit,
  );
  gauge("open_artifact_downloads", "Transfers from the object store in progress.", readings.downloads);
  gauge(
    "open_artifact_downloads_limit",
    "Maximum number of transfers from the object store.",
    () => readings.downloadsLimit,
  );
  labelled(
    "api_key_cache_entries",
    "API keys in the cache, expired entries included.",
    "result",
    readings.apiKeyCacheEntries,
  );
  gauge(
    "buffered_bytes",
    "Bytes that wait to be sent to clients, including messages that are being received or encoded for them.",
    readings.bufferedBytes,
  );
  gauge(
    "buffered_bytes_limit",
    "Maximum number of bytes that wait to be sent to clients.",
    () => readings.bufferedBytesLimit,
  );
  gauge("grpc_subchannels", "Orchestrator addresses that calls may use.", readings.subchannels);
  gauge("grpc_subchannels_ready", "Subchannels in the state ready.", readings.readySubchannels);
}
