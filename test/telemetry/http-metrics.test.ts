import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { Registry } from "prom-client";
import { createHttpMetrics, sharedLimits } from "../../src/telemetry/http-metrics.ts";
import { samplesOf } from "../support/metrics.ts";

/** The metrics, and what they say. */
function setUp() {
  const registry = new Registry();
  const metrics = createHttpMetrics(registry);
  return { metrics, text: () => registry.metrics() };
}

describe("createHttpMetrics", () => {
  it("counts requests and their durations by method, path and status", async () => {
    const { metrics, text } = setUp();
    metrics.observeRequest("GET", "/v1/workflows/{id}", 200, 0.003);
    metrics.observeRequest("GET", "/v1/workflows/{id}", 200, 40);
    metrics.observeRequest("POST", "/v1/workflows", 503, 0.3);
    const get = 'method="GET",path="/v1/workflows/{id}",status="200"';
    const name = "foldforge_gateway_http_request_duration_seconds";
    const lines = (await text()).split("\n");
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

  it("has one label for all methods that are not in common use", async () => {
    const { metrics, text } = setUp();
    for (const method of METHODS) {
      metrics.observeRequest(method, "/v1/workflows", 405, 0.001);
      metrics.countRefusal(400, method);
    }
    const counted: string[] = (await text()).match(/^\w+_requests_total\{.*$/gm) ?? [];
    assert.equal(counted.length, 2 * 8);
    const others = METHODS.length - 7;
    for (const rest of ['path="/v1/workflows",status="405"', 'path="(unmatched)",status="400"']) {
      const line = `foldforge_gateway_http_requests_total{method="(other)",${rest}} ${others}`;
      assert.ok(counted.includes(line), line);
    }
  });

  it("escapes what a label holds", async () => {
    const { metrics, text } = setUp();
    metrics.observeRequest("GET", 'a"\n\\', 200, 1);
    assert.match(await text(), /path="a\\"\\n\\\\"/);
  });

  it("counts what is shed by kind, each kind from the beginning", async () => {
    const { metrics, text } = setUp();
    const shed = async () =>
      [...samplesOf(await text())].filter(([name]) => name.includes("shed_total")).map(([, value]) => value);
    assert.deepEqual(await shed(), [0, 0, 0]);
    metrics.countShed("with_body");
    assert.deepEqual(await shed(), [0, 1, 0]);
  });

  it("counts what is over a key's share by limit, each limit from the beginning", async () => {
    const { metrics, text } = setUp();
    const name = "foldforge_gateway_http_requests_over_share_total";
    metrics.countOverShare("downloads");
    assert.deepEqual(
      [...samplesOf(await text())].filter(([sample]) => sample.startsWith(name)),
      sharedLimits.map((limit) => [`${name}{limit="${limit}"}`, limit === "downloads" ? 1 : 0]),
    );
  });
});
