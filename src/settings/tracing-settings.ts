import { z } from "zod";
import { http } from "../node-http.ts";
import type { TracingOptions } from "../telemetry/tracing.ts";
import { httpUrl } from "./values.ts";

const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const satisfies TracingOptions["sampler"][];

const milliseconds = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, "must be a number of milliseconds, from 1 to 999999")
  .transform(Number);

/** One of these words, in any case (https://opentelemetry.io/docs/specs/otel/configuration/common/#enum). */
const oneOf = <T extends string>(words: readonly [T, ...T[]], message: string) =>
  z.string().toLowerCase().pipe(z.enum(words, message));

function readPair(text: string): [name: string, value: string] {
  const [, name = "", value = ""] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  return [decodeURIComponent(name.trim()), decodeURIComponent(value.trim())];
}

/** Pairs as OpenTelemetry's variables hold them: `name=value`, separated by commas, percent-encoded. */
const pairs = (check: (name: string, value: string) => void, message: string) =>
  z.string().transform((text, context) => {
    try {
      const read = text.split(",").flatMap((pair) => (pair.trim() === "" ? [] : [readPair(pair)]));
      for (const pair of read) check(...pair);
      return Object.fromEntries(read);
    } catch {
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
  });

const headerPairs = pairs((name, value) => {
  http.validateHeaderName(name);
  http.validateHeaderValue(name, value);
}, "must be name=value pairs of headers, separated by commas, with percent-encoded values");

const attributePairs = pairs((name) => {
  if (name === "") throw new Error("an attribute without a name");
}, "must be name=value pairs, separated by commas, with percent-encoded values");

const protocol = oneOf(["http/protobuf"], "must be http/protobuf, the only one that is supported");
const compression = oneOf(["none", "gzip"], "must be none or gzip");

/** OpenTelemetry's own variables, for all signals and for traces. */
const variables = z.object({
  OTEL_SDK_DISABLED: oneOf(["true", "false"], "must be true or false").optional(),
  OTEL_TRACES_EXPORTER: oneOf(["otlp", "none"], "must be otlp or none").optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol.optional(),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: headerPairs.optional(),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: headerPairs.optional(),
  OTEL_EXPORTER_OTLP_TIMEOUT: milliseconds.optional(),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: milliseconds.optional(),
  OTEL_EXPORTER_OTLP_COMPRESSION: compression.optional(),
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: compression.optional(),
  OTEL_BSP_SCHEDULE_DELAY: milliseconds.optional(),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_RESOURCE_ATTRIBUTES: attributePairs.optional(),
  OTEL_TRACES_SAMPLER: oneOf(samplers, `must be one of ${samplers.join(", ")}`).prefault(
    "parentbased_always_on",
  ),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, "must be a number from 0 to 1")
    .transform(Number)
    .optional(),
});

export const tracingVariables: readonly string[] = Object.keys(variables.shape);

/**
 * Reads the standard variables of OpenTelemetry; an empty variable counts as not set. Without an endpoint, or if
 * switched off, there is no tracing and no violation. A violation repeats no value, since some are secrets.
 */
export function parseTracing(env: Readonly<Record<string, string | undefined>>): {
  tracing: TracingOptions | undefined;
  violations: readonly string[];
} {
  const given = new Map(
    tracingVariables.flatMap((name) => {
      const value = env[name]?.trim();
      return value ? [[name, value]] : [];
    }),
  );
  if (isOff(given)) return { tracing: undefined, violations: [] };
  // A variable that is not used for traces may hold a value that is only valid for other signals.
  const used = [...given].filter(([name]) => !isOverridden(name, given));
  const { data, error } = variables.safeParse(Object.fromEntries(used));
  const violations = error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`) ?? [];
  return { tracing: data && settingsFrom(data), violations };
}

/** Whether the variable for traces is set instead. Headers of both variables are merged. */
function isOverridden(name: string, given: ReadonlyMap<string, string>): boolean {
  const [, option] = /^OTEL_EXPORTER_OTLP_(?!TRACES_|HEADERS$)(.*)$/.exec(name) ?? [];
  return option !== undefined && given.has(`OTEL_EXPORTER_OTLP_TRACES_${option}`);
}

function isOff(given: ReadonlyMap<string, string>): boolean {
  return (
    given.get("OTEL_SDK_DISABLED")?.toLowerCase() === "true" ||
    given.get("OTEL_TRACES_EXPORTER")?.toLowerCase() === "none" ||
    !(given.has("OTEL_EXPORTER_OTLP_ENDPOINT") || given.has("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
  );
}

function settingsFrom(values: z.output<typeof variables>): TracingOptions {
  const base = values.OTEL_EXPORTER_OTLP_ENDPOINT?.replace(/\/$/, "");
  const name = values.OTEL_SERVICE_NAME;
  return {
    url: values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? `${base}/v1/traces`,
    headers: { ...values.OTEL_EXPORTER_OTLP_HEADERS, ...values.OTEL_EXPORTER_OTLP_TRACES_HEADERS },
    timeoutMs: values.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT ?? values.OTEL_EXPORTER_OTLP_TIMEOUT ?? 10_000,
    compression:
      values.OTEL_EXPORTER_OTLP_TRACES_COMPRESSION ?? values.OTEL_EXPORTER_OTLP_COMPRESSION ?? "none",
    delayMs: values.OTEL_BSP_SCHEDULE_DELAY ?? 5000,
    resource: {
      "service.name": "foldforge-gateway",
      ...values.OTEL_RESOURCE_ATTRIBUTES,
      ...(name === undefined ? {} : { "service.name": name }),
    },
    sampler: values.OTEL_TRACES_SAMPLER,
    ratio: values.OTEL_TRACES_SAMPLER_ARG ?? 1,
  };
}
