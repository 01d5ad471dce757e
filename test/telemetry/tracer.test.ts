import assert from "node:assert/strict";
import { ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import { createSampler } from "../../src/telemetry/tracer.ts";
import type { TracingOptions } from "../../src/telemetry/tracing.ts";
import { runGateway } from "../support/gateway-process.ts";
import { startCollector } from "../support/collector.ts";
import { hang } from "../support/hang.ts";
import { scaled } from "../support/machine.ts";
import { callName, newTrace, spanNamed, startTracedStack } from "../support/traced-stack.ts";

describe("createTracer", () => {
  it("exports the spans that wait when it is closed, those of aborted requests too", async () => {
    const { upstream, gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_BSP_SCHEDULE_DELAY: "60000" },
    );
    const { traceId, headers } = newTrace();
    const { started } = hang(upstream, "getWorkflow");
    const aborted = assert.rejects(gateway.fetch("/v1/workflows/w1", { headers }));
    await started;
    await (await gateway.fetch("/v1/healthz", { headers })).text();
    await gateway.close();
    await aborted;
    const spans = await collector.trace(traceId, 3);
    spanNamed(spans, "GET /v1/healthz");
    spanNamed(spans, "GET /v1/workflows/{id}");
    spanNamed(spans, callName("GetWorkflow"));
    await close();
  });

  it("closes within the grace although the collector does not respond", async () => {
    const { gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_BSP_SCHEDULE_DELAY: "60000", SHUTDOWN_GRACE_SECONDS: "0.2" },
    );
    collector.respond = () => undefined;
    await (await gateway.fetch("/v1/healthz")).text();
    const start = performance.now();
    await gateway.close();
    const duration = performance.now() - start;
    // With a longer grace it would take three seconds.
    assert.ok(duration < scaled(2000), `it took ${duration} ms`);
    await collector.find(() => true);
    assert.equal(collector.spans.length, 1);
    const { event, reason } = gateway.logs.at(-1)!;
    assert.deepEqual({ event, reason }, { event: "span_export.failed", reason: "stopped" });
    await close();
  });

  it("has a random UUID as service.instance.id, another one for each gateway", async () => {
    const ids = [];
    for (let i = 0; i < 2; i++) {
      const { gateway, collector, close } = await startTracedStack();
      for (let sent = 0; sent < 2; sent++) {
        const { traceId, headers } = newTrace();
        await (await gateway.fetch("/v1/healthz", { headers })).text();
        const [span] = await collector.trace(traceId, 1);
        ids.push(span?.resource["service.instance.id"]);
      }
      await close();
    }
    const [first, again, other] = ids;
    assert.match(String(first), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(again, first);
    assert.notEqual(other, first);
  });

  it("exports nothing if the SDK is disabled", async () => {
    const { gateway, collector, close } = await startTracedStack({}, { OTEL_SDK_DISABLED: "true" });
    await (await gateway.fetch("/v1/healthz")).text();
    await gateway.close();
    assert.equal(collector.requests.length, 0);
    await close();
  });

  it("exports with the options of a process before it exits, and writes nothing to stderr", async () => {
    const collector = await startCollector();
    const more = {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/here`,
      OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=a",
      OTEL_SERVICE_NAME: "edge",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test,service.instance.id=edge-1",
    };
    const settings = { BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "0" };
    const { child, started, ended } = runGateway(settings, { more });
    const { traceId, spanId, headers } = newTrace();
    await (await fetch(`${await started}/v1/healthz`, { headers })).text();
    child.kill("SIGTERM");
    const { code, stderr, lines } = await ended;
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.equal(lines.at(-1)?.event, "gateway.stopped");
    const [span] = await collector.trace(traceId, 1);
    assert.equal(span?.parentSpanId, spanId);
    assert.equal(span.resource["service.name"], "edge");
    assert.equal(span.resource["deployment.environment.name"], "test");
    assert.equal(span.resource["service.instance.id"], "edge-1");
    assert.equal(collector.requests[0]?.url, "/here");
    assert.equal(collector.requests[0].headers["x-tenant"], "a");
    await collector.close();
  });
});

/** The share of 1000 traces that is sampled; without `parentFlags` they are roots. */
function share(sampler: TracingOptions["sampler"], ratio: number, parentFlags?: number): number {
  const tested = createSampler({ sampler, ratio });
  let sampled = 0;
  for (let i = 0; i < 1000; i++) {
    const traceId = `${(i * 4_294_967).toString(16).padStart(8, "0")}${"0".repeat(23)}1`;
    const parent = { traceId, spanId: "00f067aa0ba902b7", traceFlags: parentFlags ?? 0, isRemote: true };
    const context = parentFlags === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const { decision } = tested.shouldSample(context, traceId, "GET", SpanKind.SERVER, {}, []);
    if (decision === SamplingDecision.RECORD_AND_SAMPLED) sampled += 1;
  }
  return sampled / 1000;
}

describe("createSampler", () => {
  for (const [sampler, root, ofSampled, ofUnsampled] of [
    ["always_on", 1, 1, 1],
    ["always_off", 0, 0, 0],
    ["traceidratio", 0.25, 0.25, 0.25],
    ["parentbased_always_on", 1, 1, 0],
    ["parentbased_always_off", 0, 1, 0],
    ["parentbased_traceidratio", 0.25, 1, 0],
  ] as const)
    it(`samples with ${sampler} ${root} of roots, ${ofSampled} of sampled and ${ofUnsampled} of unsampled traces`, () => {
      for (const [flags, expected] of [
        [undefined, root],
        [1, ofSampled],
        [0, ofUnsampled],
      ] as const)
        assert.ok(
          Math.abs(share(sampler, 0.25, flags) - expected) < 0.01,
          String(share(sampler, 0.25, flags)),
        );
    });
});
