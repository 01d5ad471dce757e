import assert from "node:assert/strict";
import { ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import { createSampler } from "../../src/telemetry/sampler.ts";
import type { TracingSettings } from "../../src/settings/tracing-settings.ts";

/** Which of a thousand traces are sampled, whose clients have not been asked or have decided. */
function share(sampler: TracingSettings["sampler"], ratio: number, parentFlags?: number): number {
  const tested = createSampler({ sampler, ratio });
  let sampled = 0;
  for (let i = 0; i < 1000; i++) {
    const traceId = `${(i * 4_294_967).toString(16).padStart(8, "0")}${"0".repeat(23)}1`;
    const parent = { traceId, spanId: "00f067aa0ba902b7", traceFlags: parentFlags ?? 0, isRemote: true };
    const context = parentFlags === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const { decision } = tested.shouldSample(context, traceId, "GET", SpanKind.SERVER, {}, []);
    if (decision === SamplingDecision.RECORD_AND_SAMPLED) sampled += 1;
  }
  return sampled / 1000;
}

describe("createSampler", () => {
  for (const [sampler, root, ofSampled, ofUnsampled] of [
    ["always_on", 1, 1, 1],
    ["always_off", 0, 0, 0],
    ["traceidratio", 0.25, 0.25, 0.25],
    ["parentbased_always_on", 1, 1, 0],
    ["parentbased_always_off", 0, 1, 0],
    ["parentbased_traceidratio", 0.25, 1, 0],
  ] as const)
    it(`takes as ${sampler} ${root} of roots, ${ofSampled} of sampled and ${ofUnsampled} of unsampled traces`, () => {
      for (const [flags, expected] of [
        [undefined, root],
        [1, ofSampled],
        [0, ofUnsampled],
      ] as const)
        assert.ok(
          Math.abs(share(sampler, 0.25, flags) - expected) < 0.01,
          String(share(sampler, 0.25, flags)),
        );
    });
});
