import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import { createThrottledWarning } from "./rate-limited-warnings.ts";
import type { TracingOptions } from "./tracing.ts";

/** How much longer than its timeout a batch may take until its connection is destroyed, in milliseconds. */
const marginMs = 500;

/**
 * Sends spans by OTLP over HTTP. Spans that cannot be sent are dropped, with a warning `span_export.failed` at most once
 * a second. The warning counts batches and has the reason of the last one: a code, never text from the collector.
 */
export function createExporter(options: TracingOptions, logger: Logger): SpanExporter {
  const { url, headers, timeoutMs, compression } = options;
  const agent = url.startsWith("https:")
    ? new HttpsAgent({ keepAlive: true })
    : new HttpAgent({ keepAlive: true });
  // Every option is set, because the SDK would read the environment for the others.
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- The package does not export its enum.
    compression: compression as NonNullable<ExporterOptions["compression"]>,
    httpAgentOptions: () => agent,
  });
  const last = { reason: "" };
  const warn = createThrottledWarning(logger, "span_export.failed", last);

  return {
    export(spans, done) {
      // The SDK restarts its timeout at every byte of a response, which may be endless.
      const timer = setTimeout(() => agent.destroy(), timeoutMs + marginMs).unref();
      exporter.export(spans, function exported(result) {
        clearTimeout(timer);
        if (result.error !== undefined) {
          last.reason = reasonOf(result.error);
          warn();
        }
        done(result);
      });
    },
    async shutdown() {
      await exporter.shutdown();
      agent.destroy();
    },
  };
}

type ExporterOptions = NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>;

/** The code of a system error, or the status of a response; without one, the SDK's message. */
function reasonOf(error: Error & { readonly code?: string | number }): string {
  return String(error.code ?? error.message);
}

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
