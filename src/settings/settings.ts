import { isDeepStrictEqual } from "node:util";
import { distance } from "fastest-levenshtein";
import { z } from "zod";
import type { ObjectStoreOptions } from "../artifacts/object-store.ts";
import type { AllowedOrigins } from "../http/cors.ts";
import type { KeepaliveOptions } from "../grpc/index.ts";
import type { TlsPems } from "./tls-pems.ts";
import type { ServerLimits } from "../http/server.ts";
import { fileSetting, withSecretFiles } from "./secret-files.ts";
import type { ReadFile } from "./secret-files.ts";
import { objectStoreTlsNames, orchestratorTlsNames, tlsSettings } from "./tls-settings.ts";
import {
  bearerToken,
  bindAddress,
  bucketName,
  bytes,
  count,
  credential,
  endpointList,
  fraction,
  httpUrl,
  oneOf,
  originList,
  seconds,
  secondsFrom,
} from "./values.ts";
import type { Level } from "../telemetry/logger.ts";
import { parseTracing } from "./tracing-settings.ts";
import type { TracingSettings } from "./tracing-settings.ts";

/** The prefix of every setting's name in the environment. */
export const prefix = "FOLDFORGE_GATEWAY__";

/** The administrator's token where none is set: known to everybody, and good for one machine. */
export const defaultToken = "dev-token";

/** `auto` is `pretty` where the log goes to a terminal, else `json`. */
export type LogFormat = "auto" | "json" | "pretty";

/** The gateway's settings, checked and in the units the code uses. */
export interface Settings {
  readonly bind: { readonly host: string; readonly port: number };
  /** Undefined where `/metrics` is served among the other routes. */
  readonly metricsBind: Settings["bind"] | undefined;
  readonly server: ServerLimits;
  /** Undefined where no page of another origin may call. */
  readonly allowedOrigins: AllowedOrigins | undefined;
  readonly maxRequestsInFlight: number;
  readonly maxEventStreams: number;
  /** Most bytes that wait for clients, in the messages for them and on their connections. */
  readonly maxBufferedBytes: number;
  /** Largest message of a submission. */
  readonly maxRequestBytes: number;
  /** The part of each of these limits and of the downloads that one API key may hold: above 0, at most 1. */
  readonly maxSharePerKey: number;
  /** They differ in nothing but host and port. */
  readonly orchestratorEndpoints: readonly string[];
  /** The files for TLS with them; undefined where Node's own authorities will do. */
  readonly orchestratorTls: TlsPems | undefined;
  readonly rpcTimeoutMs: number;
  readonly keepalive: KeepaliveOptions;
  /** The administrator's token, and the previous one while both are accepted; no two are equal. */
  readonly apiTokens: readonly string[];
  /** Undefined where only the static token is accepted. */
  readonly apiKeys:
    { readonly ttlMs: number; readonly staleMs: number; readonly maxEntries: number } | undefined;
  readonly bucket: string;
  /** Undefined where downloads are not configured. */
  readonly objectStore: ObjectStoreOptions | undefined;
  /** The file for TLS with it; undefined where Node's own authorities will do. */
  readonly objectStoreTls: TlsPems | undefined;
  readonly logLevel: Level;
  readonly logFormat: LogFormat;
  /** Undefined where no spans are exported. */
  readonly tracing: TracingSettings | undefined;
  readonly drainDelayMs: number;
  /** The delay included. */
  readonly shutdownGraceMs: number;
}

/** What nobody may see: each may also be read from the file that `<NAME>_FILE` names. */
const secrets = {
  API_TOKEN: bearerToken(`; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`).prefault(defaultToken),
  API_TOKEN_PREVIOUS: bearerToken().optional(),
  R2_ACCESS_KEY_ID: credential.prefault(""),
  R2_SECRET_ACCESS_KEY: credential.prefault(""),
};

const secretNames = Object.keys(secrets);

const schema = z.object({
  BIND_ADDR: bindAddress.prefault("0.0.0.0:8080"),
  METRICS_ADDR: bindAddress.optional(),
  HEADERS_TIMEOUT_SECONDS: seconds.prefault("10"),
  REQUEST_TIMEOUT_SECONDS: seconds.prefault("30"),
  KEEP_ALIVE_TIMEOUT_SECONDS: seconds.prefault("75"),
  STALL_TIMEOUT_SECONDS: seconds.prefault("30"),
  CORS_ALLOWED_ORIGINS: originList.optional(),
  MAX_CONNECTIONS: count.prefault("20000"),
  MAX_EVENT_STREAMS: count.prefault("10000"),
  MAX_DOWNLOADS: count.prefault("1000"),
  MAX_REQUESTS_IN_FLIGHT: count.prefault("512"),
  MAX_BUFFERED_BYTES: bytes.prefault("134217728"),
  MAX_SHARE_PER_KEY: fraction.prefault("0.25"),
  ORCHESTRATOR_ENDPOINT: endpointList.prefault("http://127.0.0.1:50051"),
  ORCHESTRATOR_CA_FILE: z.string().optional(),
  ORCHESTRATOR_CLIENT_CERT_FILE: z.string().optional(),
  ORCHESTRATOR_CLIENT_KEY_FILE: z.string().optional(),
  ORCHESTRATOR_RPC_TIMEOUT_SECONDS: seconds.prefault("10"),
  ORCHESTRATOR_MAX_REQUEST_BYTES: bytes.prefault("4194304"),
  ORCHESTRATOR_PING_TIMEOUT_SECONDS: seconds.prefault("2"),
  ORCHESTRATOR_KEEPALIVE_SECONDS: seconds.prefault("30"),
  ...secrets,
  API_KEYS_ENABLED: z.stringbool({ error: "must be true or false" }).prefault("false"),
  AUTH_CACHE_TTL_SECONDS: seconds.prefault("30"),
  AUTH_CACHE_MAX_ENTRIES: count.prefault("10000"),
  STALE_AUTH_SECONDS: secondsFrom(0).prefault("60"),
  OBJECT_STORE_CONNECT_TIMEOUT_SECONDS: seconds.prefault("5"),
  OBJECT_STORE_READ_TIMEOUT_SECONDS: seconds.prefault("30"),
  R2_ENDPOINT: httpUrl.optional(),
  R2_CA_FILE: z.string().optional(),
  R2_REGION: z.string().prefault("auto"),
  R2_BUCKET: bucketName.prefault("foldforge"),
  LOG_LEVEL: oneOf("trace", "debug", "info", "warn", "error", "fatal").prefault("info"),
  LOG_FORMAT: oneOf("auto", "json", "pretty").prefault("auto"),
  DRAIN_DELAY_SECONDS: secondsFrom(0).prefault("5"),
  SHUTDOWN_GRACE_SECONDS: seconds.prefault("20"),
});

/** The names of all settings, without the prefix. */
export const settingNames: readonly string[] = [
  ...Object.keys(schema.shape),
  ...secretNames.map(fileSetting),
];

/** One message that lists every fault of the environment. */
export class SettingsError extends Error {
  constructor(faults: readonly string[]) {
    super(["the configuration is wrong:", ...faults.map((fault) => `  ${fault}`)].join("\n"));
    this.name = "ConfigError";
  }
}

/**
 * Reads the settings and the variables of OpenTelemetry from an environment, and secrets from the files it names.
 * Throws a ConfigError that lists every fault; no message repeats a value, since some are secrets. `warnings` names
 * what has the prefix but is no setting.
 */
export function parseSettings(
  env: Readonly<Record<string, string | undefined>>,
  readFile: ReadFile,
): { config: Settings; warnings: string[] } {
  const given = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith(prefix) && isGiven(name, value) ? [[name.slice(prefix.length), value] as const] : [],
  );
  const byName = new Map(given);
  const { values, faults: fileFaults } = withSecretFiles(byName, secretNames, readFile);
  const orchestratorTls = tlsSettings(orchestratorTlsNames, byName, readFile);
  const objectStoreTls = tlsSettings(objectStoreTlsNames, byName, readFile);
  const { data, error } = schema.safeParse(Object.fromEntries(values));
  const faults = [
    ...(error?.issues.map(({ path, message }) => `${prefix}${sourceOf(path.join("."), byName)} ${message}`) ??
      []),
    ...[...fileFaults, ...orchestratorTls.faults, ...objectStoreTls.faults].map(
      (fault) => `${prefix}${fault}`,
    ),
  ];
  // Looked at in the raw values, so that it is told together with every other fault.
  const isSet = (name: string) => byName.has(name) || byName.has(fileSetting(name));
  if (byName.has("R2_ENDPOINT")) {
    for (const name of ["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]) {
      if (!isSet(name)) faults.push(`${prefix}${name} must be set, since R2_ENDPOINT is`);
    }
  }
  if (isSet("API_TOKEN_PREVIOUS") && !isSet("API_TOKEN")) {
    faults.push(`${prefix}API_TOKEN must be set, since API_TOKEN_PREVIOUS is`);
  }
  const previous = values.get("API_TOKEN_PREVIOUS");
  if (previous !== undefined && previous === values.get("API_TOKEN")) {
    faults.push(`${prefix}API_TOKEN_PREVIOUS must be another token than API_TOKEN`);
  }
  if (
    orchestratorTls.files !== undefined &&
    data?.ORCHESTRATOR_ENDPOINT.some((endpoint) => !endpoint.startsWith("https:"))
  ) {
    faults.push(`${prefix}ORCHESTRATOR_ENDPOINT must be https:// where there are files for TLS`);
  }
  if (
    objectStoreTls.files !== undefined &&
    URL.parse(byName.get("R2_ENDPOINT") ?? "")?.protocol !== "https:"
  ) {
    faults.push(`${prefix}R2_ENDPOINT must be https://, since R2_CA_FILE is set`);
  }
  // 0 is any free port, another one each time.
  if (data?.METRICS_ADDR?.port && isDeepStrictEqual(data.METRICS_ADDR, data.BIND_ADDR)) {
    faults.push(`${prefix}METRICS_ADDR must be another address than BIND_ADDR`);
  }
  if (data !== undefined && data.DRAIN_DELAY_SECONDS >= data.SHUTDOWN_GRACE_SECONDS) {
    faults.push(`${prefix}DRAIN_DELAY_SECONDS must be less than SHUTDOWN_GRACE_SECONDS`);
  }
  if (env[`${prefix}API_TOKEN_FILE`] === "" && !byName.has("API_TOKEN")) {
    faults.push(`${prefix}API_TOKEN_FILE must name a file where API_TOKEN is not set`);
  }
  const { tracing, faults: tracingFaults } = parseTracing(env);
  faults.push(...tracingFaults);
  const warnings = given
    .filter(([name]) => !settingNames.includes(name))
    .map(([name]) => `${prefix}${name} is not a setting; did you mean ${prefix}${nearest(name)}?`);
  // A name that is wrong may be why a setting is missing.
  if (data === undefined || faults.length > 0) throw new SettingsError([...faults, ...warnings]);
  return {
    config: frozen({ ...settingsFrom(data, orchestratorTls.files, objectStoreTls.files), tracing }),
    warnings,
  };
}

/** An empty value means none, but for the token: nobody who empties it, or its file's name, means the default one. */
function isGiven(name: string, value: string | undefined): value is string {
  return value !== undefined && (value !== "" || name === `${prefix}API_TOKEN`);
}

/** Where the value of the setting `name` came from, as a fault of it tells. */
function sourceOf(name: string, given: ReadonlyMap<string, string>): string {
  const isFromFile = given.has(fileSetting(name)) && !given.get(name);
  return isFromFile ? `${fileSetting(name)} names a file whose content` : name;
}

function settingsFrom(
  values: z.output<typeof schema>,
  orchestratorTls: TlsPems | undefined,
  objectStoreTls: TlsPems | undefined,
): Omit<Settings, "tracing"> {
  return {
    bind: values.BIND_ADDR,
    metricsBind: values.METRICS_ADDR,
    server: {
      headersTimeoutMs: values.HEADERS_TIMEOUT_SECONDS,
      requestTimeoutMs: values.REQUEST_TIMEOUT_SECONDS,
      keepAliveTimeoutMs: values.KEEP_ALIVE_TIMEOUT_SECONDS,
      stallTimeoutMs: values.STALL_TIMEOUT_SECONDS,
      maxConnections: values.MAX_CONNECTIONS,
    },
    allowedOrigins: values.CORS_ALLOWED_ORIGINS,
    maxRequestsInFlight: values.MAX_REQUESTS_IN_FLIGHT,
    maxEventStreams: values.MAX_EVENT_STREAMS,
    maxBufferedBytes: values.MAX_BUFFERED_BYTES,
    maxRequestBytes: values.ORCHESTRATOR_MAX_REQUEST_BYTES,
    maxSharePerKey: values.MAX_SHARE_PER_KEY,
    orchestratorEndpoints: values.ORCHESTRATOR_ENDPOINT,
    orchestratorTls,
    rpcTimeoutMs: values.ORCHESTRATOR_RPC_TIMEOUT_SECONDS,
    keepalive: {
      calls: {
        timeMs: values.ORCHESTRATOR_PING_TIMEOUT_SECONDS,
        timeoutMs: values.ORCHESTRATOR_PING_TIMEOUT_SECONDS,
      },
      streams: {
        timeMs: values.ORCHESTRATOR_KEEPALIVE_SECONDS,
        timeoutMs: values.ORCHESTRATOR_PING_TIMEOUT_SECONDS,
      },
    },
    apiTokens: [
      values.API_TOKEN,
      ...(values.API_TOKEN_PREVIOUS === undefined ? [] : [values.API_TOKEN_PREVIOUS]),
    ],
    apiKeys: values.API_KEYS_ENABLED
      ? {
          ttlMs: values.AUTH_CACHE_TTL_SECONDS,
          staleMs: values.STALE_AUTH_SECONDS,
          maxEntries: values.AUTH_CACHE_MAX_ENTRIES,
        }
      : undefined,
    bucket: values.R2_BUCKET,
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
    objectStoreTls,
    logLevel: values.LOG_LEVEL,
    logFormat: values.LOG_FORMAT,
    drainDelayMs: values.DRAIN_DELAY_SECONDS,
    shutdownGraceMs: values.SHUTDOWN_GRACE_SECONDS,
  };
}

function frozen(config: Settings): Settings {
  for (const part of Object.values(config)) Object.freeze(part);
  return Object.freeze(config);
}

function nearest(name: string): string {
  return settingNames.reduce((best, known) => (distance(name, known) < distance(name, best) ? known : best));
}
