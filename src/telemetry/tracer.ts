import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Attributes, Context } from "@opentelemetry/api";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Sampler, SpanExporter } from "@opentelemetry/sdk-trace";
import {
  ATTR_ERROR_TYPE,
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_VERSION,
} from "@opentelemetry/semantic-conventions";
import type { Logger } from "./logger.ts";
import { createSpanQueue } from "./span-queue.ts";
import type { TraceContext } from "./trace-context.ts";
import type { TracingOptions } from "./tracing.ts";

/** A span in progress. Its attributes have the names of OpenTelemetry's semantic conventions. */
export interface Span {
  /** The parent of the calls that belong to this span. */
  readonly trace: TraceContext;
  /** Called once. An `errorType` makes the span an error. `name` replaces the name that it started with. */
  end(attributes: Attributes, errorType?: string, name?: string): void;
}

/** Creates spans, and exports those of sampled traces. */
export interface Tracer {
  /** Starts the span of a request; `parent` is the client's span. */
  startServerSpan(name: string, parent: TraceContext | undefined, attributes: Attributes): Span;
  /** Starts the span of a call to another service. Without `parent` it is the root of a trace. */
  startClientSpan(name: string, parent: TraceContext | undefined, attributes: Attributes): Span;
  /** Exports the spans that wait, for at most `timeoutMs`, and closes all connections. Logs a warning if it fails. */
  close(timeoutMs: number): Promise<void>;
}

/** Sends spans to a collector. */
export interface ClosableExporter extends SpanExporter {
  /** Ends the exports in progress and closes all connections at once. */
  close(): void;
}

/** The maximum length of an attribute's value, in characters: clients choose some of them. */
export const maxLength = 256;

/** Nothing that this creates is global: one process may have several tracers. */
export function createTracer(
  options: TracingOptions,
  version: string,
  exporter: ClosableExporter,
  logger: Logger,
): Tracer {
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({
        [ATTR_SERVICE_VERSION]: version,
        // Tells replicas apart (https://opentelemetry.io/docs/specs/semconv/resource/#service).
        [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
        ...options.resource,
      }),
    ),
    sampler: createSampler(options),
    spanLimits: { attributeValueLengthLimit: maxLength },
    spanProcessors: [createSpanQueue(exporter, options, logger)],
  });
  const tracer = provider.getTracer("foldforge-gateway", version);

  function start(
    kind: SpanKind,
    name: string,
    parent: TraceContext | undefined,
    attributes: Attributes,
  ): Span {
    const isRemote = kind === SpanKind.SERVER;
    const span = tracer.startSpan(name, { kind, attributes }, parentContext(parent, isRemote));
    const { traceId, spanId, traceFlags } = span.spanContext();
    const flags = traceFlags.toString(16).padStart(2, "0");
    const { tracestate } = parent ?? {};
    return {
      trace: { traceId, spanId, flags, ...(tracestate === undefined ? {} : { tracestate }) },
      end(more, errorType, finalName) {
        if (finalName !== undefined) span.updateName(finalName);
        span.setAttributes(more);
        if (errorType !== undefined) {
          span.setAttribute(ATTR_ERROR_TYPE, errorType).setStatus({ code: SpanStatusCode.ERROR });
        }
        span.end();
      },
    };
  }

  return {
    startServerSpan: (name, parent, attributes) => start(SpanKind.SERVER, name, parent, attributes),
    startClientSpan: (name, parent, attributes) => start(SpanKind.CLIENT, name, parent, attributes),
    async close(timeoutMs) {
      const done = new AbortController();
      const isExported = await Promise.race([
        provider.shutdown().then(
          () => true,
          () => false,
        ),
        delay(timeoutMs, false, { signal: done.signal }),
      ]);
      // The exporter's own warning might come after the log has ended.
      if (!isExported) logger.warn({ event: "span_export.failed", reason: "stopped" }, "span_export.failed");
      done.abort();
      exporter.close();
    },
  };
}

function parentContext(parent: TraceContext | undefined, isRemote: boolean): Context {
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote,
  });
}

/** Creates the sampler that OTEL_TRACES_SAMPLER names. */
export function createSampler({ sampler, ratio }: Pick<TracingOptions, "sampler" | "ratio">): Sampler {
  const [, parentBased, kind] = /^(parentbased_)?(.*)$/.exec(sampler) ?? [];
  const root = rootSampler(kind, ratio);
  return parentBased === undefined ? root : new ParentBasedSampler({ root });
}

function rootSampler(kind: string | undefined, ratio: number): Sampler {
  if (kind === "always_off") return new AlwaysOffSampler();
  return kind === "traceidratio" ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler();
}
