import { z } from "zod";
import { http } from "../node-http.ts";
import type { OtlpProtocol, TracingOptions } from "../telemetry/tracing.ts";
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

const protocol = oneOf(["grpc", "http/protobuf"], "must be grpc or http/protobuf");
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

type Variables = z.output<typeof variables>;

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
  const violations = [
    ...(error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`) ?? []),
    ...(data === undefined ? [] : metadataViolations(data)),
  ];
  return { tracing: data && violations.length === 0 ? settingsFrom(data) : undefined, violations };
}

/** The value of gRPC metadata: printable ASCII. Headers of HTTP may have more characters. */
const metadataValue = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;

function metadataViolations(values: Variables): string[] {
  if (protocolOf(values) !== "grpc") return [];
  const names = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] as const;
  return names
    .filter((name) => Object.values(values[name] ?? {}).some((value) => !metadataValue.test(value)))
    .map((name) => `${name} must have values of printable ASCII, since the protocol is grpc`);
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

/** The port of OTLP over gRPC (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port). */
const grpcPort = "4317";

/**
 * Without a protocol, the port of the endpoint decides: the specification leaves the default to the SDK, and some SDKs'
 * is gRPC, so that `http://collector:4317` alone is common.
 */
function protocolOf(values: Variables): OtlpProtocol {
  const given = values.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? values.OTEL_EXPORTER_OTLP_PROTOCOL;
  return given ?? (new URL(endpointOf(values)).port === grpcPort ? "grpc" : "http/protobuf");
}

/** One of the two is set. */
function endpointOf(values: Variables): string {
  return values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? values.OTEL_EXPORTER_OTLP_ENDPOINT ?? "";
}

function settingsFrom(values: Variables): TracingOptions {
  const protocol = protocolOf(values);
  const endpoint = endpointOf(values);
  const isWholeUrl = protocol === "grpc" || values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined;
  const name = values.OTEL_SERVICE_NAME;
  return {
    protocol,
    url: isWholeUrl ? endpoint : `${endpoint.replace(/\/$/, "")}/v1/traces`,
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
