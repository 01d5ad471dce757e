import assert from "node:assert/strict";
import { startTestGateway } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { exportWarning, newTrace, startTracedStack } from "../support/traced-stack.ts";

const token = "secret-of-the-collector";

describe("createHttpExporter", () => {
  it("sends to the URL, with the headers and the compression of the options", async () => {
    const { gateway, collector, close } = await startTracedStack(
      {},
      {
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${token}`,
        OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      },
    );
    await (await gateway.fetch("/v1/healthz")).text();
    await collector.find(({ name }) => name === "GET /v1/healthz");
    await close();
    const [request] = collector.requests;
    assert.equal(`${request?.method} ${request?.url}`, "POST /v1/traces");
    assert.equal(request?.headers["content-type"], "application/x-protobuf");
    assert.equal(request.headers["content-encoding"], "gzip");
    assert.equal(request.headers.authorization, `Bearer ${token}`);
    assert.ok(!gateway.logText.includes(token));
    assert.ok(!gateway.logs.some(({ event }) => event === "span_export.failed"));
  });

  it("warns of a collector that refuses connections; the gateway serves and stops as usual", async () => {
    const gateway = await startTestGateway({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${token}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(100)),
      OTEL_BSP_SCHEDULE_DELAY: "10",
    });
    assert.equal((await gateway.fetch("/v1/healthz")).status, 200);
    const { level, reason, count } = await exportWarning(gateway);
    assert.deepEqual({ level, reason, count }, { level: "warn", reason: "ECONNREFUSED", count: 1 });
    assert.equal((await gateway.fetch("/v1/healthz")).status, 200);
    const start = performance.now();
    await gateway.close();
    assert.ok(performance.now() - start < scaled(2000));
    assert.ok(!gateway.logText.includes(token));
  });

  it("warns of an error response with its status and without its text", async () => {
    const { gateway, collector, close } = await startTracedStack();
    collector.respond = (_req, res) => res.writeHead(401, `no ${token}`).end(token);
    await (await gateway.fetch("/v1/healthz")).text();
    assert.equal((await exportWarning(gateway))["reason"], "401");
    await close();
    assert.ok(!gateway.logText.includes(token));
  });

  it("accepts a response body that is not valid", async () => {
    const { gateway, collector, close } = await startTracedStack();
    collector.respond = (_req, res) => res.end("nonsense");
    for (let i = 0; i < 2; i++) {
      const { traceId, headers } = newTrace();
      assert.equal((await gateway.fetch("/v1/healthz", { headers })).status, 200);
      await collector.trace(traceId, 1);
    }
    await close();
    assert.ok(!gateway.logs.some(({ event }) => event === "span_export.failed"));
  });

  it("warns of a collector that does not respond", async () => {
    const { gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(100)) },
    );
    collector.respond = () => undefined;
    await (await gateway.fetch("/v1/healthz")).text();
    assert.equal((await exportWarning(gateway))["reason"], "Request timed out");
    await close();
  });

  it("aborts a response that does not end", async () => {
    const { gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(1000)) },
    );
    const drops: NodeJS.Timeout[] = [];
    collector.respond = (_req, res) => {
      res.writeHead(500).write("x");
      drops.push(setInterval(() => res.write("x"), 20));
    };
    await (await gateway.fetch("/v1/healthz")).text();
    assert.equal((await exportWarning(gateway))["reason"], "ECONNRESET");
    drops.forEach(clearInterval);
    await close();
  });
});
