import { setTimeout as delay } from "node:timers/promises";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Attributes, Context } from "@opentelemetry/api";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { ATTR_ERROR_TYPE, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import type { Logger } from "./logger.ts";
import type { TraceContext } from "./trace-context.ts";
import { createExporter } from "./exporter.ts";
import { createSampler } from "./sampler.ts";
import { createSpanQueue } from "./span-queue.ts";
import type { TracingSettings } from "../settings/tracing-settings.ts";

/** A piece of work. Its attributes have the names of OpenTelemetry's semantic conventions. */
export interface Span {
  /** Where calls that are made for it stand: it is their parent. */
  readonly trace: TraceContext;
  /** Ends it, once; as a failure, where there is an `errorType`. */
  end(attributes: Attributes, errorType?: string, name?: string): void;
}

/** Makes spans and has those of sampled traces exported. */
export interface Tracer {
  /** Starts the span of a request, under the client's, if it has one. */
  startServerSpan(name: string, parent: TraceContext | undefined, attributes: Attributes): Span;
  /** Starts the span of a call to somebody else; it is the root of a trace where there is no parent. */
  startClientSpan(name: string, parent: TraceContext | undefined, attributes: Attributes): Span;
  /** Exports what is left, within `withinMs`, and ends every connection; what it cannot export it warns of. */
  close(withinMs: number): Promise<void>;
}

/** Most characters of an attribute: clients write some of them. */
export const maxLength = 256;

/** Builds it, for this `version` of the service. Nothing of it is global: there may be several in a process. */
export function createTracer(settings: TracingSettings, version: string, logger: Logger): Tracer {
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ [ATTR_SERVICE_VERSION]: version, ...settings.resource }),
    ),
    sampler: createSampler(settings),
    spanLimits: { attributeValueLengthLimit: maxLength },
    spanProcessors: [createSpanQueue(createExporter(settings, logger), settings, logger)],
  });
  const tracer = provider.getTracer("foldforge-gateway", version);

  function start(
    kind: SpanKind,
    name: string,
    parent: TraceContext | undefined,
    attributes: Attributes,
  ): Span {
    const isRemote = kind === SpanKind.SERVER;
    const span = tracer.startSpan(name, { kind, attributes }, contextFrom(parent, isRemote));
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
    async close(withinMs) {
      const done = new AbortController();
      const isFlushed = await Promise.race([
        provider.shutdown().then(
          () => true,
          () => false,
        ),
        delay(withinMs, false, { signal: done.signal }),
      ]);
      // The exporter's own warning may come when nothing is logged any more.
      if (!isFlushed) logger.warn({ event: "span_export.failed", reason: "stopped" }, "span_export.failed");
      done.abort();
    },
  };
}

/** The SDK's idea of a parent. */
function contextFrom(parent: TraceContext | undefined, isRemote: boolean): Context {
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote,
  });
}
