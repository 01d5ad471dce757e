import assert from "node:assert/strict";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { startCollector } from "./collector.ts";
import type { Collector } from "./collector.ts";
import type { LogLine, TestGateway, TestSettings } from "./gateway.ts";
import type { ReceivedSpan } from "./otlp.ts";
import { startStack } from "./stack.ts";
import type { Stack } from "./stack.ts";
import type { UpstreamRpcs } from "./upstream.ts";

/** A gateway that exports its spans at once, between a scripted orchestrator and a collector. */
export interface TracedStack extends Stack {
  readonly collector: Collector;
}

/** Starts all three. */
export async function startTracedStack(
  rpcs: UpstreamRpcs = {},
  settings: TestSettings = {},
): Promise<TracedStack> {
  const collector = await startCollector();
  const stack = await startStack(rpcs, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "10",
    ...settings,
  });
  return {
    ...stack,
    collector,
    async close() {
      await stack.close();
      await collector.close();
    },
  };
}

/** The same for one test: it is closed at the end of the block that it is used in. */
export async function startDisposableTracedStack(
  ...options: Parameters<typeof startTracedStack>
): Promise<TracedStack & AsyncDisposable> {
  const stack = await startTracedStack(...options);
  return { ...stack, [Symbol.asyncDispose]: () => stack.close() };
}

/** A trace of a client's own, and its header. */
export function newTrace(flags = "01") {
  const traceId = randomBytes(16).toString("hex");
  const spanId = randomBytes(8).toString("hex");
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-${flags}` } };
}

/** The first `span_export.failed`. */
export async function exportWarning(gateway: TestGateway): Promise<LogLine> {
  for (;;) {
    const line = gateway.logs.find(({ event }) => event === "span_export.failed");
    if (line !== undefined) return line;
    await once(gateway.logged, "line");
  }
}

/** The one span of this name; fails when there is none, or more. */
export function spanNamed(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  assert.equal(found.length, 1, `${name} among ${spans.map((span) => span.name).join()}`);
  return found[0]!;
}

/** Makes a request; returns a function that reports whether an exported span has ended after that. */
export async function markTime({
  gateway,
  collector,
}: TracedStack): Promise<(span: ReceivedSpan) => boolean> {
  const { traceId, headers } = newTrace();
  await (await gateway.fetch("/v1/healthz", { headers })).text();
  // Spans come in the order in which they ended.
  return (span) => collector.spans.findIndex((it) => it.traceId === traceId) < collector.spans.indexOf(span);
}

/** The name of the span of a call. */
export const callName = (rpc: string) => `foldforge.orchestrator.v1.OrchestratorService/${rpc}`;
