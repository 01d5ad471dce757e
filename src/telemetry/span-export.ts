import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import { createThrottledWarning } from "./throttled-warning.ts";
import type { TracingSettings } from "../settings/tracing-settings.ts";

/** How much longer than its timeout a batch may take before its connection is cut, in milliseconds. */
const cutMs = 500;

/**
 * Sends spans by OTLP over HTTP. What cannot be sent is dropped, with a warning `span_export.failed` at most once a
 * second: it counts batches and tells the last reason, a code and never what the collector said.
 */
export function createExporter(settings: TracingSettings, logger: Logger): SpanExporter {
  const { url, headers, timeoutMs, compression } = settings;
  const agent = url.startsWith("https:")
    ? new HttpsAgent({ keepAlive: true })
    : new HttpAgent({ keepAlive: true });
  // Everything is said, since the SDK would ask the environment for the rest.
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- The package does not export its enum.
    compression: compression as NonNullable<ExporterOptions["compression"]>,
    httpAgentOptions: () => agent,
  });
  const last = { reason: "" };
  const warn = createThrottledWarning(logger, "span_export.failed", last);

  return {
    export(spans, done) {
      // The SDK's timeout begins anew with every byte of an answer, which may have no end.
      const cut = setTimeout(() => agent.destroy(), timeoutMs + cutMs).unref();
      exporter.export(spans, function tell(result) {
        clearTimeout(cut);
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

/** The code of a system error or of an HTTP answer; without one, the SDK's own words. */
function reasonOf(error: Error & { readonly code?: string | number }): string {
  return String(error.code ?? error.message);
}
