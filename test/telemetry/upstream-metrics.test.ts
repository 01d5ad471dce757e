import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { createUpstreamMetrics } from "../../src/telemetry/upstream-metrics.ts";

describe("createUpstreamMetrics", () => {
  it("counts calls to the orchestrator and their durations by rpc and code, those of streams up to an hour", async () => {
    const registry = new Registry();
    const metrics = createUpstreamMetrics(registry);
    metrics.observeUpstreamCall("GetWorkflow", "OK", 0.003);
    metrics.observeUpstreamCall("StreamWorkflowEvents", "CANCELLED", 3000);
    const lines = (await registry.metrics()).split("\n");
    const name = "foldforge_gateway_upstream_call_duration_seconds";
    for (const line of [
      `${name}_bucket{le="0.0025",rpc="GetWorkflow",code="OK"} 0`,
      `${name}_bucket{le="0.005",rpc="GetWorkflow",code="OK"} 1`,
      `${name}_bucket{le="900",rpc="StreamWorkflowEvents",code="CANCELLED"} 0`,
      `${name}_bucket{le="3600",rpc="StreamWorkflowEvents",code="CANCELLED"} 1`,
      `${name}_count{rpc="StreamWorkflowEvents",code="CANCELLED"} 1`,
    ])
      assert.ok(lines.includes(line), line);
  });
});
