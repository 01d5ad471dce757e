import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import { createThrottledWarning } from "./throttled-warning.ts";
import type { TracingSettings } from "../settings/tracing-settings.ts";

/** Most spans that wait for the collector. */
const maxWaiting = 2048;

/**
 * Gives spans that have ended to `exporter`, in batches, one at a time. A span for which there is no place is dropped,
 * with a warning `spans.dropped` at most once a second, which counts them: the SDK would say nothing.
 */
export function createSpanQueue(
  exporter: SpanExporter,
  { delayMs, timeoutMs }: Pick<TracingSettings, "delayMs" | "timeoutMs">,
  logger: Logger,
): SpanProcessor {
  const warn = createThrottledWarning(logger, "spans.dropped");
  let waiting = 0;
  const batches = new BatchSpanProcessor({
    exporter: {
      export(spans, done) {
        waiting -= spans.length;
        exporter.export(spans, done);
      },
      shutdown: () => exporter.shutdown(),
    },
    maxQueueSize: maxWaiting,
    scheduledDelayMillis: delayMs,
    // The exporter gives up by itself before that.
    exportTimeoutMillis: timeoutMs + 1000,
  });
  return {
    onStart: (span, context) => batches.onStart(span, context),
    onEnd(span) {
      if (waiting >= maxWaiting) return warn();
      waiting += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}
