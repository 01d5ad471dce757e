import assert from "node:assert/strict";
import { runGateway } from "../support/gateway-process.ts";
import { startCollector } from "../support/collector.ts";
import type { Collector } from "../support/collector.ts";
import { hang } from "../support/hang.ts";
import { scaled } from "../support/machine.ts";
import { callName, newTrace, spanNamed, startTracedStack } from "../support/traced-stack.ts";

describe("createTracer", () => {
  it("exports at the close what has waited for more, requests that the close has cut included", async () => {
    const { upstream, gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_BSP_SCHEDULE_DELAY: "60000" },
    );
    const { traceId, headers } = newTrace();
    const { started: begun } = hang(upstream, "getWorkflow");
    const cut = assert.rejects(gateway.fetch("/v1/workflows/w1", { headers }));
    await begun;
    await (await gateway.fetch("/v1/healthz", { headers })).text();
    await gateway.close();
    await cut;
    const spans = await collector.trace(traceId, 3);
    spanNamed(spans, "GET /v1/healthz");
    spanNamed(spans, "GET /v1/workflows/{id}");
    spanNamed(spans, callName("GetWorkflow"));
    await close();
  });

  it("lets a collector that says nothing hold up a close for no longer than its grace", async () => {
    const { gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_BSP_SCHEDULE_DELAY: "60000", SHUTDOWN_GRACE_SECONDS: "0.2" },
    );
    collector.respond = () => undefined;
    await (await gateway.fetch("/v1/healthz")).text();
    const start = performance.now();
    await gateway.close();
    const took = performance.now() - start;
    // With a longer grace it would take three seconds.
    assert.ok(took < scaled(2000), `it took ${took} ms`);
    assert.equal(collector.spans.length, 1);
    const { event, reason } = gateway.logs.at(-1)!;
    assert.deepEqual({ event, reason }, { event: "span_export.failed", reason: "stopped" });
    await close();
  });

  describe("in a process", () => {
    let collector: Collector;
    beforeEach("start a collector", async () => (collector = await startCollector()));
    afterEach("stop it", () => collector.close());
    const settings = { BIND_ADDR: "127.0.0.1:0", DRAIN_DELAY_SECONDS: "0" };

    it("exports what the environment says before it exits, with nothing on stderr", async () => {
      const more = {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/here`,
        OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=a",
        OTEL_SERVICE_NAME: "edge",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
      };
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
      assert.equal(collector.requests[0]?.url, "/here");
      assert.equal(collector.requests[0].headers["x-tenant"], "a");
    });

    it("exits with 1 for a protocol that is not spoken, and repeats no header", async () => {
      const more = {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization secret",
      };
      const { code, stderr } = await runGateway(settings, { more }).ended;
      assert.equal(code, 1);
      assert.match(stderr, /^ {2}OTEL_EXPORTER_OTLP_PROTOCOL must be http\/protobuf/m);
      assert.match(stderr, /^ {2}OTEL_EXPORTER_OTLP_HEADERS must be /m);
      assert.ok(!stderr.includes("secret"));
    });

    it("exports nothing where the SDK is disabled", async () => {
      const more = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SDK_DISABLED: "true" };
      const { child, started, ended } = runGateway(settings, { more });
      await (await fetch(`${await started}/v1/healthz`)).text();
      child.kill("SIGTERM");
      assert.equal((await ended).code, 0);
      assert.equal(collector.requests.length, 0);
    });
  });
});
