import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { createMetrics } from "../../src/telemetry/metrics.ts";

describe("createMetrics", () => {
  it("counts requests and their durations by method, path and status", async () => {
    const metrics = createMetrics();
    metrics.observeRequest("GET", "/v1/workflows/{id}", 200, 0.003);
    metrics.observeRequest("GET", "/v1/workflows/{id}", 200, 40);
    metrics.observeRequest("POST", "/v1/workflows", 503, 0.3);
    const text = await metrics.render();
    const get = 'method="GET",path="/v1/workflows/{id}",status="200"';
    const name = "foldforge_gateway_http_request_duration_seconds";
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
      assert.ok(text.split("\n").includes(line), `${line}\nis not in\n${text}`);
    assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
  });

  it("counts calls to the orchestrator and their durations by rpc and code, those of streams up to an hour", async () => {
    const metrics = createMetrics();
    metrics.observeUpstreamCall("GetWorkflow", "OK", 0.003);
    metrics.observeUpstreamCall("StreamWorkflowEvents", "CANCELLED", 3000);
    const lines = (await metrics.render()).split("\n");
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

  it("has one label for all methods that are not in common use", async () => {
    const metrics = createMetrics();
    for (const method of METHODS) {
      metrics.observeRequest(method, "/v1/workflows", 405, 0.001);
      metrics.countRefusal(400, method);
    }
    const counted: string[] = (await metrics.render()).match(/^\w+_requests_total\{.*$/gm) ?? [];
    assert.equal(counted.length, 2 * 8);
    const others = METHODS.length - 7;
    for (const rest of ['path="/v1/workflows",status="405"', 'path="(unmatched)",status="400"']) {
      const line = `foldforge_gateway_http_requests_total{method="(other)",${rest}} ${others}`;
      assert.ok(counted.includes(line), line);
    }
  });

  it("is rendered once for all who ask at once, and anew for those who come later", async () => {
    const metrics = createMetrics();
    const first = metrics.render();
    assert.equal(metrics.render(), first);
    await new Promise(setImmediate);
    metrics.observeRequest("GET", "/x", 200, 1);
    assert.match(await metrics.render(), /"\/x"/);
  });

  it("escapes what a label holds", async () => {
    const metrics = createMetrics();
    metrics.observeRequest("GET", 'a"\n\\', 200, 1);
    assert.match(await metrics.render(), /path="a\\"\\n\\\\"/);
  });

  it("keeps the numbers of each gateway apart", async () => {
    createMetrics().observeRequest("GET", "/x", 200, 1);
    assert.doesNotMatch(await createMetrics().render(), /"\/x"/);
  });
});
