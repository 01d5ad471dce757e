import type { ObserveDownload, ObjectStoreOptions } from "../artifacts/object-store.ts";
import type { MatchedLocals, Middleware, TracedLocals } from "../http/stages.ts";
import type { StartCallSpan } from "../orchestrator/call-observers.ts";
import type { Logger } from "./logger.ts";
import { callSpans } from "./call-spans.ts";
import { downloadSpans } from "./download-spans.ts";
import { serverSpans } from "./server-spans.ts";
import { createTracer } from "./tracer.ts";
import type { TracingSettings } from "../settings/tracing-settings.ts";

/** Whose spans they are, and whom the gateway calls. */
interface TracingOptions {
  readonly version: string;
  readonly orchestratorEndpoints: readonly string[];
  readonly objectStore: ObjectStoreOptions | undefined;
  readonly logger: Logger;
}

/** Spans of what the gateway does; each part goes where its work is done. */
export interface Tracing {
  /** In the place of the middleware that gives each request its trace. */
  readonly trace: Middleware<MatchedLocals, TracedLocals>;
  readonly startCallSpan: StartCallSpan;
  /** Undefined where there is no object store. */
  readonly observeDownload: ObserveDownload | undefined;
  /** Exports what is left, within `withinMs`. */
  close(withinMs: number): Promise<void>;
}

/** Builds it; nothing is sent before there are spans. */
export function createTracing(
  settings: TracingSettings,
  { version, orchestratorEndpoints, objectStore, logger }: TracingOptions,
): Tracing {
  const tracer = createTracer(settings, version, logger);
  return {
    trace: serverSpans(tracer),
    startCallSpan: callSpans(tracer, orchestratorEndpoints),
    observeDownload: objectStore && downloadSpans(tracer, objectStore),
    close: (withinMs) => tracer.close(withinMs),
  };
}
