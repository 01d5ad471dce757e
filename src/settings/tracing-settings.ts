import { z } from "zod";
import { httpUrl } from "./values.ts";
import { attributePairs, headerPairs } from "./pairs.ts";

/** Where spans go, which ones, and in whose name. */
export interface TracingSettings {
  /** Takes OTLP over HTTP, in protobuf. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Longest time for one batch of spans, tries included. */
  readonly timeoutMs: number;
  readonly compression: "none" | "gzip";
  /** How long spans wait for one another to make up a batch. */
  readonly delayMs: number;
  /** The attributes of the service, `service.name` among them. */
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: (typeof samplers)[number];
  /** The share of traces that a sampler by ratio takes, 0 to 1. */
  readonly ratio: number;
}

const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

const milliseconds = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, "must be a number of milliseconds, from 1 to 999999")
  .transform(Number);

/** One of these words, in whatever case (https://opentelemetry.io/docs/specs/otel/configuration/common/#enum). */
const oneOf = <T extends string>(words: readonly [T, ...T[]], message: string) =>
  z.string().toLowerCase().pipe(z.enum(words, message));

const protocol = oneOf(["http/protobuf"], "must be http/protobuf: no other is spoken");
const compression = oneOf(["none", "gzip"], "must be none or gzip");

/** What is asked of OpenTelemetry's own variables, for all signals and for traces. */
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

/** The names of the variables that are read. */
export const tracingVariables: readonly string[] = Object.keys(variables.shape);

/**
 * Reads the standard variables of OpenTelemetry; an empty one means none. Without an endpoint, or switched off,
 * there is no tracing, and no fault. No fault repeats a value, since some are secrets.
 */
export function parseTracing(env: Readonly<Record<string, string | undefined>>): {
  tracing: TracingSettings | undefined;
  faults: readonly string[];
} {
  const given = new Map(
    tracingVariables.flatMap((name) => {
      const value = env[name]?.trim();
      return value ? [[name, value]] : [];
    }),
  );
  if (isOff(given)) return { tracing: undefined, faults: [] };
  // What does not count for traces need not be right for them.
  const counting = [...given].filter(([name]) => !isOverruled(name, given));
  const { data, error } = variables.safeParse(Object.fromEntries(counting));
  const faults = error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`) ?? [];
  return { tracing: data && settingsFrom(data), faults };
}

/** Whether the same is said for traces alone. Headers are added to one another. */
function isOverruled(name: string, given: ReadonlyMap<string, string>): boolean {
  const [, what] = /^OTEL_EXPORTER_OTLP_(?!TRACES_|HEADERS$)(.*)$/.exec(name) ?? [];
  return what !== undefined && given.has(`OTEL_EXPORTER_OTLP_TRACES_${what}`);
}

function isOff(given: ReadonlyMap<string, string>): boolean {
  return (
    given.get("OTEL_SDK_DISABLED")?.toLowerCase() === "true" ||
    given.get("OTEL_TRACES_EXPORTER")?.toLowerCase() === "none" ||
    !(given.has("OTEL_EXPORTER_OTLP_ENDPOINT") || given.has("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
  );
}

function settingsFrom(values: z.output<typeof variables>): TracingSettings {
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
