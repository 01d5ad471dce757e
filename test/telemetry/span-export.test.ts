import assert from "node:assert/strict";
import { once } from "node:events";
import type { TestGateway } from "../support/gateway.ts";
import { startTestGateway } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { newTrace, startTracedStack } from "../support/traced-stack.ts";

const token = "secret-of-the-collector";

/** The first warning that spans could not be exported. */
async function warning(gateway: TestGateway) {
  for (;;) {
    const line = gateway.logs.find(({ event }) => event === "span_export.failed");
    if (line !== undefined) return line;
    await once(gateway.logged, "line");
  }
}

describe("createExporter", () => {
  it("sends to the url and with the headers that are said, compressed if so", async () => {
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

  it("warns that nobody listens, and the gateway serves all the same and stops in its time", async () => {
    const gateway = await startTestGateway({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${token}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(100)),
      OTEL_BSP_SCHEDULE_DELAY: "10",
    });
    assert.equal((await gateway.fetch("/v1/healthz")).status, 200);
    const { level, reason, count } = await warning(gateway);
    assert.deepEqual({ level, reason, count }, { level: "warn", reason: "ECONNREFUSED", count: 1 });
    assert.equal((await gateway.fetch("/v1/healthz")).status, 200);
    const start = performance.now();
    await gateway.close();
    assert.ok(performance.now() - start < scaled(2000));
    assert.ok(!gateway.logText.includes(token));
  });

  it("warns of a collector that refuses, by its status and without its words", async () => {
    const { gateway, collector, close } = await startTracedStack();
    collector.respond = (_req, res) => res.writeHead(401, `no ${token}`).end(token);
    await (await gateway.fetch("/v1/healthz")).text();
    assert.equal((await warning(gateway))["reason"], "401");
    await close();
    assert.ok(!gateway.logText.includes(token));
  });

  it("takes an answer that makes no sense for one that does", async () => {
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

  it("warns of a collector that says nothing", async () => {
    const { gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(100)) },
    );
    collector.respond = () => undefined;
    await (await gateway.fetch("/v1/healthz")).text();
    assert.equal((await warning(gateway))["reason"], "Request timed out");
    await close();
  });

  it("gives up on an answer that has no end", async () => {
    const { gateway, collector, close } = await startTracedStack(
      {},
      { OTEL_EXPORTER_OTLP_TIMEOUT: String(scaled(100)) },
    );
    const drops: NodeJS.Timeout[] = [];
    collector.respond = (_req, res) => {
      res.writeHead(500);
      drops.push(setInterval(() => res.write("x"), 20));
    };
    await (await gateway.fetch("/v1/healthz")).text();
    assert.equal((await warning(gateway))["reason"], "ECONNRESET");
    drops.forEach(clearInterval);
    await close();
  });
});
