import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import { createThrottledWarning } from "./rate-limited-warnings.ts";
import type { TracingOptions } from "./tracing.ts";

/** The maximum number of spans that wait for a batch. */
const maxQueueSize = 2048;

/**
 * Gives ended spans to `exporter` in batches, one batch at a time. Spans that do not fit in the queue are dropped, with
 * a warning `spans.dropped` at most once a second, which counts them. The SDK would drop them silently.
 */
export function createSpanQueue(
  exporter: SpanExporter,
  { delayMs, timeoutMs }: Pick<TracingOptions, "delayMs" | "timeoutMs">,
  logger: Logger,
): SpanProcessor {
  const warn = createThrottledWarning(logger, "spans.dropped");
  let queueSize = 0;
  const batches = new BatchSpanProcessor({
    exporter: {
      export(spans, done) {
        queueSize -= spans.length;
        exporter.export(spans, done);
      },
      shutdown: () => exporter.shutdown(),
    },
    maxQueueSize,
    scheduledDelayMillis: delayMs,
    // The exporter's own timeout comes first.
    exportTimeoutMillis: timeoutMs + 1000,
  });
  return {
    onStart: (span, context) => batches.onStart(span, context),
    onEnd(span) {
      if (queueSize >= maxQueueSize) return warn();
      queueSize += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}
