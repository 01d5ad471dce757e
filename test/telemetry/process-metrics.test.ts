import assert from "node:assert/strict";
import { createProcessRegistry } from "../../src/telemetry/process-metrics.ts";
import { samplesOf } from "../support/metrics.ts";

describe("createProcessRegistry", () => {
  it("has metrics of build, CPU, memory, event loop and garbage collection, and none that visits each connection", async () => {
    const registry = createProcessRegistry("1.2.3", "24.0.0");
    const samples = samplesOf(await registry.metrics());
    assert.equal(samples.get('foldforge_gateway_build_info{version="1.2.3",node_version="24.0.0"}'), 1);
    for (const name of [
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "process_max_fds",
      "nodejs_eventloop_lag_p99_seconds",
      "nodejs_heap_size_used_bytes",
    ])
      assert.ok(samples.has(name), name);
    assert.ok(registry.getSingleMetric("nodejs_gc_duration_seconds"));
    assert.deepEqual(
      [...samples.keys()].filter((name) => /^nodejs_active|open_fds/.test(name)),
      [],
    );
  });
});
