import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { ClosableExporter } from "../telemetry/tracer.ts";
import type { TracingOptions } from "../telemetry/tracing.ts";

/** How much longer than its timeout a batch may take until its connection is destroyed, in milliseconds. */
const marginMs = 500;

/** Sends spans by OTLP over HTTP, in protobuf. The SDK retries with a backoff. */
export function createHttpExporter({
  url,
  headers,
  timeoutMs,
  compression,
}: TracingOptions): ClosableExporter {
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

  return {
    export(spans, done) {
      // The SDK restarts its timeout at every byte of a response, which may be endless.
      const timer = setTimeout(() => agent.destroy(), timeoutMs + marginMs).unref();
      exporter.export(spans, function exported(result) {
        clearTimeout(timer);
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    close: () => agent.destroy(),
  };
}

type ExporterOptions = NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>;
