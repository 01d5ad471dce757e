import { callSpans } from "./call-spans.ts";
import type { StartCallSpan } from "./call-spans.ts";
import { downloadSpans } from "./download-spans.ts";
import type { ObserveDownload } from "./download-spans.ts";
import type { Logger } from "./logger.ts";
import { requestSpans } from "./request-spans.ts";
import type { StartRequestSpan } from "./request-spans.ts";
import { createTracer } from "./tracer.ts";
import type { ClosableExporter } from "./tracer.ts";

/** The protocols of OTLP that are supported. */
export type OtlpProtocol = "grpc" | "http/protobuf";

/** Which spans are exported, and where to. */
export interface TracingOptions {
  readonly protocol: OtlpProtocol;
  /** Accepts OTLP by that protocol. Only its scheme, host and port are used for gRPC. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The timeout of one batch of spans, retries included. */
  readonly timeoutMs: number;
  readonly compression: "none" | "gzip";
  /** The maximum delay of a span until its batch is sent. */
  readonly delayMs: number;
  /** The attributes of the service, with `service.name`. */
  readonly resource: Readonly<Record<string, string>>;
  /** A value of OTEL_TRACES_SAMPLER. */
  readonly sampler:
    | "always_on"
    | "always_off"
    | "traceidratio"
    | "parentbased_always_on"
    | "parentbased_always_off"
    | "parentbased_traceidratio";
  /** The ratio of traces that the `traceidratio` samplers take, 0 to 1. */
  readonly ratio: number;
}

/** The service and its upstreams, as the attributes of spans name them. */
export interface TracedServices {
  /** The version of the service. */
  readonly version: string;
  readonly orchestratorEndpoints: readonly string[];
  readonly objectStore: { readonly endpoint: string; readonly bucket: string } | undefined;
}

/** Starts the spans of requests, gRPC calls and downloads. */
export interface Tracing {
  readonly startRequestSpan: StartRequestSpan;
  readonly startCallSpan: StartCallSpan;
  /** Undefined without an object store. */
  readonly observeDownload: ObserveDownload | undefined;
  /** Exports the spans that wait, for at most `timeoutMs`, and closes all connections. */
  close(timeoutMs: number): Promise<void>;
}

export function startTracing(
  options: TracingOptions,
  { version, orchestratorEndpoints, objectStore }: TracedServices,
  exporter: ClosableExporter,
  logger: Logger,
): Tracing {
  const tracer = createTracer(options, version, exporter, logger);
  return {
    startRequestSpan: requestSpans(tracer),
    startCallSpan: callSpans(tracer, orchestratorEndpoints),
    observeDownload: objectStore && downloadSpans(tracer, objectStore),
    close: (timeoutMs) => tracer.close(timeoutMs),
  };
}
