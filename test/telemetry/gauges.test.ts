import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { addGauges } from "../../src/telemetry/gauges.ts";
import { samplesOf } from "../support/metrics.ts";

describe("addGauges", () => {
  it("reads the state at each rendering, and only then", async () => {
    let reads = 0;
    let streams = 3;
    const registry = new Registry();
    addGauges(registry, {
      connections: () => 11,
      connectionsLimit: 20_000,
      requestsInFlight: () => ({ event_stream: 1, with_body: 2, other: streams }),
      requestsInFlightLimit: () => 512,
      eventStreams() {
        reads += 1;
        return streams;
      },
      eventStreamsLimit: 10_000,
      downloads: () => 5,
      downloadsLimit: 1000,
      apiKeyCacheEntries: () => ({ allowed: 7, denied: 8 }),
      bufferedBytes: () => 13,
      bufferedBytesLimit: 134_217_728,
      subchannels: () => 3,
      readySubchannels: () => 2,
    });
    assert.equal(reads, 0);
    const first = samplesOf(await registry.metrics());
    assert.deepEqual(Object.fromEntries(first), {
      foldforge_gateway_open_connections: 11,
      foldforge_gateway_open_connections_limit: 20_000,
      'foldforge_gateway_http_requests_in_flight{kind="event_stream"}': 1,
      'foldforge_gateway_http_requests_in_flight{kind="with_body"}': 2,
      'foldforge_gateway_http_requests_in_flight{kind="other"}': 3,
      foldforge_gateway_http_requests_in_flight_limit: 512,
      foldforge_gateway_open_event_streams: 3,
      foldforge_gateway_open_event_streams_limit: 10_000,
      foldforge_gateway_open_artifact_downloads: 5,
      foldforge_gateway_open_artifact_downloads_limit: 1000,
      'foldforge_gateway_api_key_cache_entries{result="allowed"}': 7,
      'foldforge_gateway_api_key_cache_entries{result="denied"}': 8,
      foldforge_gateway_buffered_bytes: 13,
      foldforge_gateway_buffered_bytes_limit: 134_217_728,
      foldforge_gateway_grpc_subchannels: 3,
      foldforge_gateway_grpc_subchannels_ready: 2,
    });
    streams = 4;
    const second = samplesOf(await registry.metrics());
    assert.equal(second.get("foldforge_gateway_open_event_streams"), 4);
    assert.equal(second.get('foldforge_gateway_http_requests_in_flight{kind="other"}'), 4);
    assert.equal(reads, 2);
  });
});
