import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import type { TracingOptions } from "../telemetry/tracing.ts";
import { parseTlsFiles } from "./certificates.ts";
import type { TlsFiles } from "./certificates.ts";
import { deprecatedNames, prefix, schema, secretNames, settingNames } from "./schema.ts";
import { fileSetting, withSecretFiles } from "./secret-files.ts";
import type { ReadFile } from "./secret-files.ts";
import { isLiveKey } from "./values.ts";
import { replaceDeprecated, warningOfUnknown } from "./setting-warnings.ts";
import type { SettingWarning } from "./setting-warnings.ts";
import { parseTracing } from "./tracing-settings.ts";

type Values = z.output<typeof schema>;

/**
 * The gateway's settings, validated and in the units of the code. `schema.ts` has their names, kinds and defaults;
 * `docs/configuration.md` explains each of them.
 */
export type Settings = ReturnType<typeof settingsFrom>;

interface Files {
  /** Undefined for the authorities that Node trusts and no client certificate. */
  readonly orchestratorTls: TlsFiles | undefined;
  /** Undefined for the authorities that Node trusts. */
  readonly objectStoreTls: TlsFiles | undefined;
}

function settingsFrom(values: Values, files: Files, tracing: TracingOptions | undefined) {
  return {
    bind: values.BIND_ADDR,
    /** Undefined if `/metrics` is one of the routes at `bind`. */
    metricsBind: values.METRICS_ADDR,
    server: {
      headersTimeoutMs: values.HEADERS_TIMEOUT_SECONDS,
      requestTimeoutMs: values.REQUEST_TIMEOUT_SECONDS,
      keepAliveTimeoutMs: values.KEEP_ALIVE_TIMEOUT_SECONDS,
      stallTimeoutMs: values.STALL_TIMEOUT_SECONDS,
      maxConnections: values.MAX_CONNECTIONS,
    },
    trustedProxies: values.TRUSTED_PROXIES ?? [],
    /** Undefined if no page of another origin may call. */
    allowedOrigins: values.CORS_ALLOWED_ORIGINS,
    maxRequestsInFlight: values.MAX_REQUESTS_IN_FLIGHT,
    maxEventStreams: values.MAX_EVENT_STREAMS,
    maxBodyBytes: values.MAX_BODY_BYTES,
    maxBufferedBytes: values.MAX_BUFFERED_BYTES,
    maxRequestBytes: values.ORCHESTRATOR_MAX_REQUEST_BYTES,
    /** Above 0, at most 1. */
    maxSharePerKey: values.MAX_SHARE_PER_KEY,
    /** They differ only in host and port. */
    orchestratorEndpoints: values.ORCHESTRATOR_ENDPOINT,
    rpcTimeoutMs: values.ORCHESTRATOR_RPC_TIMEOUT_SECONDS,
    usesNodeHttp2: values.ORCHESTRATOR_NODE_HTTP2,
    keepalive: {
      calls: {
        timeMs: values.ORCHESTRATOR_KEEPALIVE_TIME_SECONDS,
        timeoutMs: values.ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS,
      },
      streams: {
        timeMs: values.ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS,
        timeoutMs: values.ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS,
      },
    },
    /** The administrator's token, and the previous one while both are accepted. No two are equal. */
    apiTokens: [values.API_TOKEN, values.API_TOKEN_PREVIOUS].filter((token) => token !== undefined),
    /** Undefined if only the administrator's token is accepted. */
    apiKeys: values.API_KEYS_ENABLED
      ? {
          ttlMs: values.AUTH_CACHE_TTL_SECONDS,
          staleMs: values.AUTH_CACHE_STALE_IF_ERROR_SECONDS,
          maxEntries: values.AUTH_CACHE_MAX_ENTRIES,
        }
      : undefined,
    bucket: values.R2_BUCKET,
    /** Undefined if downloads are not configured. */
    objectStore:
      values.R2_ENDPOINT === undefined
        ? undefined
        : {
            endpoint: values.R2_ENDPOINT,
            region: values.R2_REGION,
            bucket: values.R2_BUCKET,
            accessKeyId: values.R2_ACCESS_KEY_ID,
            secretAccessKey: values.R2_SECRET_ACCESS_KEY,
            connectTimeoutMs: values.OBJECT_STORE_CONNECT_TIMEOUT_SECONDS,
            readTimeoutMs: values.OBJECT_STORE_READ_TIMEOUT_SECONDS,
            maxDownloads: values.MAX_DOWNLOADS,
          },
    /** Undefined if no credits are sold. */
    stripe:
      values.STRIPE_SECRET_KEY === undefined
        ? undefined
        : {
            secretKey: values.STRIPE_SECRET_KEY,
            webhookSecrets: [values.STRIPE_WEBHOOK_SECRET, values.STRIPE_WEBHOOK_SECRET_PREVIOUS].filter(
              (secret) => secret !== undefined,
            ),
            endpoint: values.STRIPE_ENDPOINT,
            currency: values.STRIPE_CURRENCY,
            isLive: isLiveKey(values.STRIPE_SECRET_KEY),
            /** Undefined if any is allowed. */
            returnOrigins:
              values.CHECKOUT_RETURN_ORIGINS === "*" ? undefined : values.CHECKOUT_RETURN_ORIGINS,
          },
    /** In credits; undefined if it is not known. */
    pricePerStep: values.PRICE_PER_STEP,
    logLevel: values.LOG_LEVEL,
    logFormat: values.LOG_FORMAT,
    drainDelayMs: values.DRAIN_DELAY_SECONDS,
    /** Includes the drain delay. */
    shutdownGraceMs: values.SHUTDOWN_GRACE_SECONDS,
    ...files,
    /** Undefined if no spans are exported. */
    tracing,
  } as const;
}

/** Lists every violation in one message. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";

  constructor(violations: readonly string[]) {
    super(["invalid settings:", ...violations.map((violation) => `  ${violation}`)].join("\n"));
  }
}

/**
 * Reads the settings and the variables of OpenTelemetry from the environment, and secrets from the files that it
 * names. Throws a SettingsError. Neither its message nor a warning repeats a value, since some are secrets.
 */
export function parseSettings(
  env: Readonly<Record<string, string | undefined>>,
  readFile: ReadFile,
): { settings: Settings; warnings: readonly SettingWarning[] } {
  const inEnvironment = new Map(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith(prefix) && isSet(name, value) ? [[name.slice(prefix.length), value] as const] : [],
    ),
  );
  const { given, sources, warnings: deprecated } = replaceDeprecated(inEnvironment);
  const { values, violations: fileViolations } = withSecretFiles(given, secretNames, readFile);
  const orchestratorTls = parseTlsFiles(orchestratorTlsNames, given, readFile);
  const objectStoreTls = parseTlsFiles({ ca: "R2_CA_FILE" }, given, readFile);
  const { data, error } = schema.safeParse(Object.fromEntries(values));
  const { tracing, violations: tracingViolations } = parseTracing(env);

  function sourceOf(name: string): string {
    const isFromFile = given.has(fileSetting(name)) && !given.get(name);
    return isFromFile ? `${fileSetting(name)} names a file whose content` : (sources.get(name) ?? name);
  }

  const ownViolations = [
    ...(error?.issues ?? []).map(({ path, message }) => `${sourceOf(path.join("."))} ${message}`),
    ...fileViolations,
    ...orchestratorTls.violations,
    ...objectStoreTls.violations,
    ...conflicts(values, data),
    ...(env[`${prefix}API_TOKEN_FILE`] === "" && !values.has("API_TOKEN")
      ? ["API_TOKEN_FILE must name a file where API_TOKEN is not set"]
      : []),
  ].map((violation) => prefix + violation);
  // A deprecated setting that sets several others is reported once.
  const violations = [...new Set([...ownViolations, ...tracingViolations])];
  const ignored = [...inEnvironment.keys()]
    .filter((name) => !settingNames.includes(name) && !deprecatedNames.has(name))
    .map(warningOfUnknown);
  // A misspelt name may be why a setting is missing.
  if (data === undefined || violations.length > 0)
    throw new SettingsError([...violations, ...ignored.map(({ message }) => message)]);
  const files = { orchestratorTls: orchestratorTls.files, objectStoreTls: objectStoreTls.files };
  return {
    settings: deepFreeze(settingsFrom(data, files, tracing)),
    warnings: [...deprecated, ...ignored],
  };
}

/** An empty value means that a setting is not set, except for API_TOKEN: who empties it does not mean the default. */
function isSet(name: string, value: string | undefined): value is string {
  return value !== undefined && (value !== "" || name === `${prefix}API_TOKEN`);
}

const orchestratorTlsNames = {
  ca: "ORCHESTRATOR_CA_FILE",
  cert: "ORCHESTRATOR_CLIENT_CERT_FILE",
  key: "ORCHESTRATOR_CLIENT_KEY_FILE",
};

/**
 * The violations of rules between settings. Where a rule can use the raw `values`, it is reported together with values
 * that are not valid; `data` is undefined if there are any.
 */
function conflicts(values: ReadonlyMap<string, string>, data: Values | undefined): string[] {
  const isGiven = (name: string) => values.has(name) || values.has(fileSetting(name));
  const previousToken = values.get("API_TOKEN_PREVIOUS");
  const hasTlsFiles = Object.values(orchestratorTlsNames).some((name) => values.has(name));
  // The default holds with smaller values of other settings, too.
  const maxBodyBytes = values.has("MAX_BODY_BYTES") ? (data?.MAX_BODY_BYTES ?? 0) : 0;
  const rules: [isBroken: boolean, violation: string][] = [
    ...["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"].map((name): [boolean, string] => [
      values.has("R2_ENDPOINT") && !isGiven(name),
      `${name} must be set, since R2_ENDPOINT is`,
    ]),
    [
      isGiven("API_TOKEN_PREVIOUS") && !isGiven("API_TOKEN"),
      "API_TOKEN must be set, since API_TOKEN_PREVIOUS is",
    ],
    [
      previousToken !== undefined && previousToken === values.get("API_TOKEN"),
      "API_TOKEN_PREVIOUS must be another token than API_TOKEN",
    ],
    [
      hasTlsFiles &&
        data !== undefined &&
        !data.ORCHESTRATOR_ENDPOINT.every((url) => url.startsWith("https:")),
      "ORCHESTRATOR_ENDPOINT must be https://, since files for TLS are set",
    ],
    [
      values.has("R2_CA_FILE") && URL.parse(values.get("R2_ENDPOINT") ?? "")?.protocol !== "https:",
      "R2_ENDPOINT must be https://, since R2_CA_FILE is set",
    ],
    [
      isGiven("STRIPE_SECRET_KEY") && !isGiven("STRIPE_WEBHOOK_SECRET"),
      "STRIPE_WEBHOOK_SECRET must be set, since STRIPE_SECRET_KEY is: without it nobody gets what they have paid",
    ],
    [
      isGiven("STRIPE_WEBHOOK_SECRET") && !isGiven("STRIPE_SECRET_KEY"),
      "STRIPE_SECRET_KEY must be set, since STRIPE_WEBHOOK_SECRET is: it tells whether payments are real",
    ],
    [
      isGiven("STRIPE_WEBHOOK_SECRET_PREVIOUS") && !isGiven("STRIPE_WEBHOOK_SECRET"),
      "STRIPE_WEBHOOK_SECRET must be set, since STRIPE_WEBHOOK_SECRET_PREVIOUS is",
    ],
    [
      isLiveKey(values.get("STRIPE_SECRET_KEY") ?? "") &&
        URL.parse(values.get("STRIPE_ENDPOINT") ?? "")?.protocol === "http:",
      "STRIPE_ENDPOINT must be https://, since STRIPE_SECRET_KEY is a live key",
    ],
    [
      // Port 0 is any free port, a different one for each server.
      data?.METRICS_ADDR !== undefined &&
        data.METRICS_ADDR.port !== 0 &&
        isDeepStrictEqual(data.METRICS_ADDR, data.BIND_ADDR),
      "METRICS_ADDR must be another address than BIND_ADDR",
    ],
    [
      // A larger body would get 413 as a message.
      data !== undefined && maxBodyBytes > data.ORCHESTRATOR_MAX_REQUEST_BYTES,
      "MAX_BODY_BYTES must be at most ORCHESTRATOR_MAX_REQUEST_BYTES",
    ],
    [
      // 16 bodies are in memory at the same time, or their messages.
      data !== undefined && maxBodyBytes > data.MAX_BUFFERED_BYTES / 32,
      "MAX_BODY_BYTES must be at most a 32nd of MAX_BUFFERED_BYTES",
    ],
    [
      data !== undefined && data.DRAIN_DELAY_SECONDS >= data.SHUTDOWN_GRACE_SECONDS,
      "DRAIN_DELAY_SECONDS must be less than SHUTDOWN_GRACE_SECONDS",
    ],
  ];
  return rules.flatMap(([isBroken, violation]) => (isBroken ? [violation] : []));
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value) as unknown[])
    if (typeof part === "object" && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
