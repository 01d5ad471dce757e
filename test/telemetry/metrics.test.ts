import assert from "node:assert/strict";
import { Counter, Gauge, Registry } from "prom-client";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { samplesOf } from "../support/metrics.ts";

describe("createMetrics", () => {
  it("is rendered once for all who ask at once, and anew for those who come later", async () => {
    const metrics = createMetrics();
    const first = metrics.render();
    assert.equal(metrics.render(), first);
    await new Promise(setImmediate);
    metrics.observeRequest("GET", "/x", 200, 1);
    assert.match(await metrics.render(), /"\/x"/);
    assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
  });

  it("takes a small part of the time, however often it is asked, and tells what was counted before each asking", async () => {
    const registry = new Registry();
    let work = 0;
    new Gauge({
      name: "dear",
      help: "Takes long to read.",
      registers: [registry],
      collect() {
        const start = performance.now();
        while (performance.now() - start < 10);
        work += performance.now() - start;
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
    const took = performance.now() - start;
    assert.ok(work < took / 5, `${work} ms of ${took} ms`);
  });

  it("keeps the numbers of each gateway apart", async () => {
    createMetrics().observeRequest("GET", "/x", 200, 1);
    assert.doesNotMatch(await createMetrics().render(), /"\/x"/);
  });

  it("stands beside what its registry holds", async () => {
    const registry = new Registry();
    new Counter({ name: "of_the_process_total", help: "Theirs.", registers: [registry] });
    assert.ok(samplesOf(await createMetrics(registry).render()).has("of_the_process_total"));
  });

  it("counts answers about keys, events, downloads and their bytes", async () => {
    const metrics = createMetrics();
    metrics.countKeyLookup("stale");
    metrics.countEvent("stream_error");
    metrics.countDownload("partial");
    metrics.countSentBytes(1000);
    metrics.countSentBytes(24);
    const counted = [...samplesOf(await metrics.render())].filter(([, value]) => value !== 0);
    assert.deepEqual(Object.fromEntries(counted), {
      'foldforge_gateway_key_cache_lookups_total{result="stale"}': 1,
      'foldforge_gateway_events_sent_total{type="stream_error"}': 1,
      'foldforge_gateway_artifact_downloads_total{outcome="partial"}': 1,
      foldforge_gateway_artifact_sent_bytes_total: 1024,
    });
  });
});
