import assert from "node:assert/strict";
import { InMemorySpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createSpanQueue } from "../../src/telemetry/span-queue.ts";
import { deferred } from "../support/stack.ts";

/** A batch and 2048 spans that wait behind it. */
const room = 512 + 2048;

describe("createSpanQueue", () => {
  it("drops what it has no place for, tells how much that was, and exports the rest", async () => {
    const taken = deferred();
    const memory = new InMemorySpanExporter();
    const exporter: SpanExporter = {
      export: (spans, done) => void taken.promise.then(() => memory.export(spans, done)),
      shutdown: () => memory.shutdown(),
    };
    const told = deferred<string>();
    const queue = createSpanQueue(
      exporter,
      { delayMs: 60_000, timeoutMs: 60_000 },
      createLogger({ write: (line) => told.resolve(line) }),
    );
    const tracer = new TracerProvider({ spanProcessors: [queue] }).getTracer("test");
    for (let i = 0; i < room + 3; i++) tracer.startSpan("a piece of work").end();
    const { level, event, count } = JSON.parse(await told.promise) as Record<string, unknown>;
    assert.deepEqual({ level, event, count }, { level: "warn", event: "spans.dropped", count: 3 });
    taken.resolve();
    await queue.forceFlush();
    assert.equal(memory.getFinishedSpans().length, room);
    await queue.shutdown();
  });
});
