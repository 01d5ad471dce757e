import { z } from "zod";
import { fileSetting } from "./secret-files.ts";
import {
  apiOrigin,
  bearerToken,
  bindAddress,
  boolean,
  bucketName,
  bytes,
  bytesUpTo,
  count,
  credential,
  currency,
  endpointList,
  fraction,
  httpUrl,
  oneOf,
  originList,
  price,
  seconds,
  secondsFrom,
  stripeKey,
  subnetList,
  webhookSecret,
} from "./values.ts";

/** The prefix of the name of every setting in the environment. */
export const prefix = "FOLDFORGE_GATEWAY__";

/** The administrator's default token: public, so fit for one machine only. */
export const defaultToken = "dev-token";

/** Settings that hold a secret. Each may instead be in a file, which `<NAME>_FILE` names. */
const secrets = {
  /** Static bearer token of the administrator. */
  API_TOKEN: bearerToken(`; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`).prefault(defaultToken),
  /** Also accepted, while clients change to API_TOKEN. */
  API_TOKEN_PREVIOUS: bearerToken().optional(),
  /** Credentials of the object store. */
  R2_ACCESS_KEY_ID: credential.prefault(""),
  R2_SECRET_ACCESS_KEY: credential.prefault(""),
  /** Secret or restricted key of Stripe's API. Without it, no credits are sold. */
  STRIPE_SECRET_KEY: stripeKey.optional(),
  /** Secret of the webhook's signatures. */
  STRIPE_WEBHOOK_SECRET: webhookSecret.optional(),
  /** Also accepted, while Stripe changes to STRIPE_WEBHOOK_SECRET. */
  STRIPE_WEBHOOK_SECRET_PREVIOUS: webhookSecret.optional(),
};

/** The names of the secrets, without the prefix. */
export const secretNames: readonly string[] = Object.keys(secrets);

/** Every setting: name without the prefix, form of its value, and default as it would be written in the environment. */
export const schema = z.object({
  /** Address of the HTTP server. */
  BIND_ADDR: bindAddress.prefault("0.0.0.0:8080"),
  /** Address of a second server, for `/metrics` alone. */
  METRICS_ADDR: bindAddress.optional(),
  /** The maximum time until the headers of a request are complete. */
  HEADERS_TIMEOUT_SECONDS: seconds.prefault("10"),
  /** The maximum time until a request is complete. */
  REQUEST_TIMEOUT_SECONDS: seconds.prefault("30"),
  /** How long an idle HTTP connection stays open. */
  KEEP_ALIVE_TIMEOUT_SECONDS: seconds.prefault("75"),
  /** How long a client may leave its response unread. */
  STALL_TIMEOUT_SECONDS: seconds.prefault("30"),
  /** Proxies whose `Forwarded` or `X-Forwarded-For` is believed, for the log and the spans. */
  TRUSTED_PROXIES: subnetList.optional(),
  /** Origins whose pages may call, or `*`. */
  CORS_ALLOWED_ORIGINS: originList.optional(),

  /** Concurrency and memory limits of one process. */
  MAX_CONNECTIONS: count.prefault("20000"),
  MAX_EVENT_STREAMS: count.prefault("10000"),
  MAX_DOWNLOADS: count.prefault("1000"),
  MAX_REQUESTS_IN_FLIGHT: count.prefault("512"),
  /** The maximum size of a request body; docs/limits.md has what bodies of 16 MiB cost. */
  MAX_BODY_BYTES: bytesUpTo(16_777_216).prefault("1048576"),
  MAX_BUFFERED_BYTES: bytes.prefault("134217728"),
  /** Share of each of these concurrency limits, connections excepted, that one API key may use. */
  MAX_SHARE_PER_KEY: fraction.prefault("0.25"),

  /** gRPC servers, separated by commas. */
  ORCHESTRATOR_ENDPOINT: endpointList.prefault("http://127.0.0.1:50051"),
  /** PEM files for TLS with them. */
  ORCHESTRATOR_CA_FILE: z.string().optional(),
  ORCHESTRATOR_CLIENT_CERT_FILE: z.string().optional(),
  ORCHESTRATOR_CLIENT_KEY_FILE: z.string().optional(),
  /** Deadline of each call; event streams have none. */
  ORCHESTRATOR_RPC_TIMEOUT_SECONDS: seconds.prefault("10"),
  /** The maximum size of a submission's message. */
  ORCHESTRATOR_MAX_REQUEST_BYTES: bytes.prefault("4194304"),
  /** Keepalive of the connections for unary calls: time without traffic until a ping, and until its acknowledgement. */
  ORCHESTRATOR_KEEPALIVE_TIME_SECONDS: seconds.prefault("2"),
  ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: seconds.prefault("2"),
  /** The same for the connections of event streams. */
  ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS: seconds.prefault("30"),
  ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS: seconds.prefault("2"),
  /** Whether Node's HTTP/2 client is used instead of the gateway's own. */
  ORCHESTRATOR_NODE_HTTP2: boolean.prefault("false"),

  ...secrets,
  /** Whether API keys are accepted beside the administrator's token. */
  API_KEYS_ENABLED: boolean.prefault("false"),
  /** How long the result of a key lookup is used, and thus how long a revoked key works. 0: for one request. */
  AUTH_CACHE_TTL_SECONDS: secondsFrom(0).prefault("30"),
  AUTH_CACHE_MAX_ENTRIES: count.prefault("10000"),
  /** How much longer an allowed key may read while lookups fail (stale-if-error, RFC 5861 §4). */
  AUTH_CACHE_STALE_IF_ERROR_SECONDS: secondsFrom(0).prefault("60"),

  OBJECT_STORE_CONNECT_TIMEOUT_SECONDS: seconds.prefault("5"),
  /** Idle timeout of a download from the object store. */
  OBJECT_STORE_READ_TIMEOUT_SECONDS: seconds.prefault("30"),
  /** The S3 server with the artifacts. Without it there are no downloads. */
  R2_ENDPOINT: httpUrl.optional(),
  /** PEM file with the authorities that are trusted for TLS with it. */
  R2_CA_FILE: z.string().optional(),
  R2_REGION: z.string().prefault("auto"),
  R2_BUCKET: bucketName.prefault("foldforge"),

  /** Origin of Stripe's API. */
  STRIPE_ENDPOINT: apiOrigin.prefault("https://api.stripe.com"),
  /** Currency of credits: a credit is a hundredth of its unit. */
  STRIPE_CURRENCY: currency.prefault("usd"),
  /** Origins that the page of a Checkout session may lead back to; any by default. */
  CHECKOUT_RETURN_ORIGINS: originList.optional(),
  /** What the orchestrator charges for a step, in credits: only told to clients. */
  PRICE_PER_STEP: price.optional(),

  /** Minimum log level. */
  LOG_LEVEL: oneOf("trace", "debug", "info", "warn", "error", "fatal").prefault("info"),
  /** `auto` is `pretty` for a terminal, else `json`. */
  LOG_FORMAT: oneOf("auto", "json", "pretty").prefault("auto"),
  /** How long the server goes on after SIGTERM while `/v1/readyz` reports 503. */
  DRAIN_DELAY_SECONDS: secondsFrom(0).prefault("3"),
  /** The maximum time from SIGTERM to the exit, the drain delay included. Docker kills after 10 s. */
  SHUTDOWN_GRACE_SECONDS: seconds.prefault("8"),
});

type SettingName = keyof typeof schema.shape;

/** Names of earlier releases, each with the settings that it sets where they are not set themselves. */
export const deprecatedNames: ReadonlyMap<string, readonly SettingName[]> = new Map([
  [
    "ORCHESTRATOR_PING_TIMEOUT_SECONDS",
    [
      "ORCHESTRATOR_KEEPALIVE_TIME_SECONDS",
      "ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS",
      "ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS",
    ],
  ],
  ["ORCHESTRATOR_KEEPALIVE_SECONDS", ["ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS"]],
  ["STALE_AUTH_SECONDS", ["AUTH_CACHE_STALE_IF_ERROR_SECONDS"]],
] satisfies [string, SettingName[]][]);

/** The names of all settings, without the prefix and without those that are deprecated. */
export const settingNames: readonly string[] = [
  ...Object.keys(schema.shape),
  ...secretNames.map(fileSetting),
];
