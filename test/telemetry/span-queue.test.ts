import assert from "node:assert/strict";
import { InMemorySpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createSpanQueue } from "../../src/telemetry/span-queue.ts";
import { deferred } from "../support/stack.ts";

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
