import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { Counter, Gauge, Registry } from "prom-client";
import { createMetrics, sharedLimits } from "../../src/telemetry/metrics.ts";
import { samplesOf } from "../support/metrics.ts";

describe("createMetrics", () => {
  it("renders once for concurrent calls, and again for a later one", async () => {
    const metrics = createMetrics();
    const first = metrics.render();
    assert.equal(metrics.render(), first);
    await new Promise(setImmediate);
    metrics.observeRequest("GET", "/x", 200, 1);
    assert.match(await metrics.render(), /"\/x"/);
    assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
  });

  it("renders for a small part of the time, however often it is called, with all counts before each call", async () => {
    const registry = new Registry();
    let work = 0;
    let last = { startedAt: 0, workBefore: 0 };
    new Gauge({
      name: "expensive",
      help: "Takes long to read.",
      registers: [registry],
      collect() {
        last = { startedAt: performance.now(), workBefore: work };
        while (performance.now() - last.startedAt < 10);
        work += performance.now() - last.startedAt;
      },
    });
    const metrics = createMetrics(registry);
    const start = performance.now();
    for (let i = 1; i <= 5; i++) {
      metrics.countSentBytes(1);
      const sent = samplesOf(await metrics.render()).get("foldforge_gateway_artifact_sent_bytes_total");
      assert.equal(sent, i);
      await new Promise(setImmediate);
    }
    // A pause follows each reading but the last.
    const duration = last.startedAt - start;
    assert.ok(last.workBefore < duration / 5, `${last.workBefore} ms of ${duration} ms`);
  });

  it("keeps the counts of each gateway apart", async () => {
    createMetrics().observeRequest("GET", "/x", 200, 1);
    assert.doesNotMatch(await createMetrics().render(), /"\/x"/);
  });

  it("keeps the metrics that the registry has", async () => {
    const registry = new Registry();
    new Counter({ name: "of_the_process_total", help: "Another metric.", registers: [registry] });
    assert.ok(samplesOf(await createMetrics(registry).render()).has("of_the_process_total"));
  });

  it("counts requests and their durations by method, path and status", async () => {
    const metrics = createMetrics();
    metrics.observeRequest("GET", "/v1/workflows/{id}", 200, 0.003);
    metrics.observeRequest("GET", "/v1/workflows/{id}", 200, 40);
    metrics.observeRequest("POST", "/v1/workflows", 503, 0.3);
    const get = 'method="GET",path="/v1/workflows/{id}",status="200"';
    const name = "foldforge_gateway_http_request_duration_seconds";
    const lines = (await metrics.render()).split("\n");
    for (const line of [
      "# TYPE foldforge_gateway_http_requests_total counter",
      `foldforge_gateway_http_requests_total{${get}} 2`,
      'foldforge_gateway_http_requests_total{method="POST",path="/v1/workflows",status="503"} 1',
      `# TYPE ${name} histogram`,
      `${name}_bucket{le="0.0025",${get}} 0`,
      `${name}_bucket{le="0.005",${get}} 1`,
      `${name}_bucket{le="30",${get}} 1`,
      `${name}_bucket{le="+Inf",${get}} 2`,
      `${name}_count{${get}} 2`,
      `${name}_sum{${get}} 40.003`,
    ])
      assert.ok(lines.includes(line), `${line}\nis not in\n${lines.join("\n")}`);
  });

  it("has a bucket for a request of 1.2 s whose bounds are 1 and 2 s, between which Prometheus interpolates", async () => {
    const metrics = createMetrics();
    metrics.observeRequest("GET", "/x", 200, 1.2);
    const samples = samplesOf(await metrics.render());
    const within = (le: number) =>
      samples.get(
        `foldforge_gateway_http_request_duration_seconds_bucket{le="${le}",method="GET",path="/x",status="200"}`,
      );
    assert.deepEqual([within(1), within(2)], [0, 1]);
  });

  it("has one label for all rare methods", async () => {
    const metrics = createMetrics();
    for (const method of METHODS) {
      metrics.observeRequest(method, "/v1/workflows", 405, 0.001);
      metrics.countUnmatched(400, method);
    }
    const counted: string[] = (await metrics.render()).match(/^\w+_requests_total\{.*$/gm) ?? [];
    assert.equal(counted.length, 2 * 8);
    const others = METHODS.length - 7;
    for (const rest of ['path="/v1/workflows",status="405"', 'path="(unmatched)",status="400"']) {
      const line = `foldforge_gateway_http_requests_total{method="(other)",${rest}} ${others}`;
      assert.ok(counted.includes(line), line);
    }
  });

  it("escapes the values of labels", async () => {
    const metrics = createMetrics();
    metrics.observeRequest("GET", 'a"\n\\', 200, 1);
    assert.match(await metrics.render(), /path="a\\"\\n\\\\"/);
  });

  it("counts shed requests by kind, each from 0", async () => {
    const metrics = createMetrics();
    const shed = async () =>
      [...samplesOf(await metrics.render())]
        .filter(([name]) => name.includes("shed_total"))
        .map(([, value]) => value);
    assert.deepEqual(await shed(), [0, 0, 0]);
    await new Promise(setImmediate);
    metrics.countShed("with_body");
    assert.deepEqual(await shed(), [0, 1, 0]);
  });

  it("counts requests over their key's share by limit, each from 0", async () => {
    const metrics = createMetrics();
    const name = "foldforge_gateway_http_requests_over_share_total";
    metrics.countOverShare("downloads");
    assert.deepEqual(
      [...samplesOf(await metrics.render())].filter(([sample]) => sample.startsWith(name)),
      sharedLimits.map((limit) => [`${name}{limit="${limit}"}`, limit === "downloads" ? 1 : 0]),
    );
  });

  it("counts gRPC calls and their durations by method and code, with buckets up to an hour", async () => {
    const metrics = createMetrics();
    metrics.observeGrpcCall("GetWorkflow", "OK", 0.003);
    metrics.observeGrpcCall("StreamWorkflowEvents", "CANCELLED", 3000);
    const lines = (await metrics.render()).split("\n");
    const name = "foldforge_gateway_grpc_call_duration_seconds";
    for (const line of [
      `${name}_bucket{le="0.0025",method="GetWorkflow",code="OK"} 0`,
      `${name}_bucket{le="0.005",method="GetWorkflow",code="OK"} 1`,
      `${name}_bucket{le="900",method="StreamWorkflowEvents",code="CANCELLED"} 0`,
      `${name}_bucket{le="3600",method="StreamWorkflowEvents",code="CANCELLED"} 1`,
      `${name}_count{method="StreamWorkflowEvents",code="CANCELLED"} 1`,
    ])
      assert.ok(lines.includes(line), line);
  });

  it("counts key lookups, events, downloads and their bytes, and disconnected clients", async () => {
    const metrics = createMetrics();
    metrics.countKeyLookup("stale");
    metrics.countEvent("stream_error");
    metrics.countDownload("partial");
    metrics.countSentBytes(1000);
    metrics.countSentBytes(24);
    metrics.countSlowClientDisconnected();
    metrics.countKeepaliveRejected();
    const counted = [...samplesOf(await metrics.render())].filter(([, value]) => value !== 0);
    assert.deepEqual(Object.fromEntries(counted), {
      'foldforge_gateway_api_key_lookups_total{result="stale"}': 1,
      'foldforge_gateway_events_sent_total{type="stream_error"}': 1,
      'foldforge_gateway_artifact_downloads_total{outcome="partial"}': 1,
      foldforge_gateway_artifact_sent_bytes_total: 1024,
      foldforge_gateway_slow_clients_disconnected_total: 1,
      foldforge_gateway_grpc_keepalive_rejected_total: 1,
    });
  });
});
