import assert from "node:assert/strict";
import { once } from "node:events";
import { InMemorySpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createSpanQueue } from "../../src/telemetry/span-export.ts";
import type { TestGateway } from "../support/gateway.ts";
import { startTestGateway } from "../support/gateway.ts";
import { scaled } from "../support/machine.ts";
import { deferred } from "../support/stack.ts";
import { newTrace, startTracedStack } from "../support/traced-stack.ts";

const token = "secret-of-the-collector";

/** The first `span_export.failed`. */
async function warning(gateway: TestGateway) {
  for (;;) {
    const line = gateway.logs.find(({ event }) => event === "span_export.failed");
    if (line !== undefined) return line;
    await once(gateway.logged, "line");
  }
}

describe("createExporter", () => {
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
    const { level, reason, count } = await warning(gateway);
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
    assert.equal((await warning(gateway))["reason"], "401");
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
    assert.equal((await warning(gateway))["reason"], "Request timed out");
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
    assert.equal((await warning(gateway))["reason"], "ECONNRESET");
    drops.forEach(clearInterval);
    await close();
  });
});

/** One batch in progress, and 2048 spans that wait. */
const capacity = 512 + 2048;

describe("createSpanQueue", () => {
  it("drops spans that do not fit, warns with their number, and exports the others", async () => {
    const exported = deferred();
    const memory = new InMemorySpanExporter();
    const exporter: SpanExporter = {
      export: (spans, done) => void exported.promise.then(() => memory.export(spans, done)),
      shutdown: () => memory.shutdown(),
    };
    const warned = deferred<string>();
    const queue = createSpanQueue(
      exporter,
      { delayMs: 60_000, timeoutMs: 60_000 },
      createLogger({ write: (line) => warned.resolve(line) }),
    );
    const tracer = new TracerProvider({ spanProcessors: [queue] }).getTracer("test");
    for (let i = 0; i < capacity + 3; i++) tracer.startSpan("work").end();
    const { level, event, count } = JSON.parse(await warned.promise) as Record<string, unknown>;
    assert.deepEqual({ level, event, count }, { level: "warn", event: "spans.dropped", count: 3 });
    exported.resolve();
    await queue.forceFlush();
    assert.equal(memory.getFinishedSpans().length, capacity);
    await queue.shutdown();
  });
});
