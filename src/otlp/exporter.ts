import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { Logger } from "../telemetry/logger.ts";
import { createThrottledWarning } from "../telemetry/rate-limited-warnings.ts";
import type { ClosableExporter } from "../telemetry/tracer.ts";
import type { TracingOptions } from "../telemetry/tracing.ts";

/**
 * Creates the exporter for the protocol of the options. Spans that cannot be sent are dropped, with a warning
 * `span_export.failed` at most once a second. The warning counts batches and has the reason of the last one: a code,
 * never text from the collector.
 */
export async function createExporter(
  options: TracingOptions,
  userAgent: string,
  logger: Logger,
): Promise<ClosableExporter> {
  const exporter =
    options.protocol === "grpc"
      ? (await import("./grpc-exporter.ts")).createGrpcExporter(options, userAgent, logger)
      : (await import("./http-exporter.ts")).createHttpExporter(options);
  const last = { reason: "" };
  const warn = createThrottledWarning(logger, "span_export.failed", last);

  return {
    ...exporter,
    export(...[spans, done]: Parameters<SpanExporter["export"]>) {
      exporter.export(spans, function exported(result) {
        if (result.error !== undefined) {
          last.reason = reasonOf(result.error);
          warn();
        }
        done(result);
      });
    },
  };
}

/** The code of a system error or of gRPC, or the status of a response; without one, the SDK's message. */
function reasonOf(error: Error & { readonly code?: string | number }): string {
  return String(error.code ?? error.message);
}
