import assert from "node:assert/strict";
import { prefix, settingNames } from "../../src/settings/schema.ts";
import { parseSettings } from "../../src/settings/settings.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { readText } from "../../src/settings/secret-files.ts";
import { environment, settingsOf, settingErrors } from "../support/environment.ts";

const stripe = { STRIPE_SECRET_KEY: "sk_test_1", STRIPE_WEBHOOK_SECRET: "whsec_1" };
const store = { R2_ENDPOINT: "http://store:9000", R2_ACCESS_KEY_ID: "id", R2_SECRET_ACCESS_KEY: "secret" };

/** Each setting, its default as text, and its place and value in the parsed settings. */
const defaults: [name: string, text: string, read: (settings: Settings) => unknown, value: unknown][] = [
  ["BIND_ADDR", "0.0.0.0:8080", ({ bind }) => bind, { host: "0.0.0.0", port: 8080 }],
  ["METRICS_ADDR", "", ({ metricsBind }) => metricsBind, undefined],
  ["HEADERS_TIMEOUT_SECONDS", "10", ({ server }) => server.headersTimeoutMs, 10_000],
  ["REQUEST_TIMEOUT_SECONDS", "30", ({ server }) => server.requestTimeoutMs, 30_000],
  ["KEEP_ALIVE_TIMEOUT_SECONDS", "75", ({ server }) => server.keepAliveTimeoutMs, 75_000],
  ["STALL_TIMEOUT_SECONDS", "30", ({ server }) => server.stallTimeoutMs, 30_000],
  ["TRUSTED_PROXIES", "", ({ trustedProxies }) => trustedProxies, []],
  ["CORS_ALLOWED_ORIGINS", "", ({ allowedOrigins }) => allowedOrigins, undefined],
  ["MAX_CONNECTIONS", "20000", ({ server }) => server.maxConnections, 20_000],
  ["MAX_EVENT_STREAMS", "10000", ({ maxEventStreams }) => maxEventStreams, 10_000],
  ["MAX_DOWNLOADS", "1000", ({ objectStore }) => objectStore?.maxDownloads, 1000],
  ["MAX_REQUESTS_IN_FLIGHT", "512", ({ maxRequestsInFlight }) => maxRequestsInFlight, 512],
  ["MAX_SHARE_PER_KEY", "0.25", ({ maxSharePerKey }) => maxSharePerKey, 0.25],
  ["MAX_BODY_BYTES", "1048576", ({ maxBodyBytes }) => maxBodyBytes, 1_048_576],
  ["MAX_BUFFERED_BYTES", "134217728", ({ maxBufferedBytes }) => maxBufferedBytes, 134_217_728],
  [
    "ORCHESTRATOR_ENDPOINT",
    "http://127.0.0.1:50051",
    (c) => c.orchestratorEndpoints,
    ["http://127.0.0.1:50051"],
  ],
  ["API_TOKEN", "dev-token", ({ apiTokens }) => apiTokens, ["dev-token"]],
  ["API_TOKEN_FILE", "", ({ apiTokens }) => apiTokens, ["dev-token"]],
  ["API_TOKEN_PREVIOUS", "", ({ apiTokens }) => apiTokens, ["dev-token"]],
  ["API_TOKEN_PREVIOUS_FILE", "", ({ apiTokens }) => apiTokens, ["dev-token"]],
  ["ORCHESTRATOR_CA_FILE", "", ({ orchestratorTls }) => orchestratorTls, undefined],
  ["ORCHESTRATOR_CLIENT_CERT_FILE", "", ({ orchestratorTls }) => orchestratorTls, undefined],
  ["ORCHESTRATOR_CLIENT_KEY_FILE", "", ({ orchestratorTls }) => orchestratorTls, undefined],
  ["ORCHESTRATOR_RPC_TIMEOUT_SECONDS", "10", ({ rpcTimeoutMs }) => rpcTimeoutMs, 10_000],
  ["ORCHESTRATOR_MAX_REQUEST_BYTES", "4194304", ({ maxRequestBytes }) => maxRequestBytes, 4_194_304],
  ["ORCHESTRATOR_NODE_HTTP2", "false", ({ usesNodeHttp2 }) => usesNodeHttp2, false],
  ["ORCHESTRATOR_KEEPALIVE_TIME_SECONDS", "2", ({ keepalive }) => keepalive.calls.timeMs, 2000],
  ["ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS", "2", ({ keepalive }) => keepalive.calls.timeoutMs, 2000],
  ["ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS", "30", ({ keepalive }) => keepalive.streams.timeMs, 30_000],
  [
    "ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS",
    "2",
    ({ keepalive }) => keepalive.streams.timeoutMs,
    2000,
  ],
  ["API_KEYS_ENABLED", "false", ({ apiKeys }) => apiKeys !== undefined, false],
  ["AUTH_CACHE_TTL_SECONDS", "30", ({ apiKeys }) => apiKeys?.ttlMs, 30_000],
  ["AUTH_CACHE_MAX_ENTRIES", "10000", ({ apiKeys }) => apiKeys?.maxEntries, 10_000],
  ["AUTH_CACHE_STALE_IF_ERROR_SECONDS", "60", ({ apiKeys }) => apiKeys?.staleMs, 60_000],
  ["OBJECT_STORE_CONNECT_TIMEOUT_SECONDS", "5", (c) => c.objectStore?.connectTimeoutMs, 5000],
  ["OBJECT_STORE_READ_TIMEOUT_SECONDS", "30", (c) => c.objectStore?.readTimeoutMs, 30_000],
  ["R2_ENDPOINT", "", ({ objectStore }) => objectStore, undefined],
  ["R2_CA_FILE", "", ({ objectStoreTls }) => objectStoreTls, undefined],
  ["R2_REGION", "auto", ({ objectStore }) => objectStore?.region, "auto"],
  ["R2_BUCKET", "foldforge", ({ bucket }) => bucket, "foldforge"],
  ["R2_ACCESS_KEY_ID", "", ({ objectStore }) => objectStore, undefined],
  ["R2_SECRET_ACCESS_KEY", "", ({ objectStore }) => objectStore, undefined],
  ["R2_ACCESS_KEY_ID_FILE", "", ({ objectStore }) => objectStore, undefined],
  ["R2_SECRET_ACCESS_KEY_FILE", "", ({ objectStore }) => objectStore, undefined],
  ["STRIPE_SECRET_KEY", "", ({ stripe }) => stripe, undefined],
  ["STRIPE_SECRET_KEY_FILE", "", ({ stripe }) => stripe, undefined],
  ["STRIPE_WEBHOOK_SECRET", "", ({ stripe }) => stripe, undefined],
  ["STRIPE_WEBHOOK_SECRET_FILE", "", ({ stripe }) => stripe, undefined],
  ["STRIPE_WEBHOOK_SECRET_PREVIOUS", "", ({ stripe }) => stripe, undefined],
  ["STRIPE_WEBHOOK_SECRET_PREVIOUS_FILE", "", ({ stripe }) => stripe, undefined],
  ["STRIPE_ENDPOINT", "https://api.stripe.com", (c) => c.stripe?.endpoint, "https://api.stripe.com"],
  ["STRIPE_CURRENCY", "usd", ({ stripe }) => stripe?.currency, "usd"],
  ["CHECKOUT_RETURN_ORIGINS", "*", ({ stripe }) => stripe?.returnOrigins, undefined],
  ["PRICE_PER_STEP", "", ({ pricePerStep }) => pricePerStep, undefined],
  ["LOG_LEVEL", "info", ({ logLevel }) => logLevel, "info"],
  ["LOG_FORMAT", "auto", ({ logFormat }) => logFormat, "auto"],
  ["DRAIN_DELAY_SECONDS", "3", ({ drainDelayMs }) => drainDelayMs, 3000],
  ["SHUTDOWN_GRACE_SECONDS", "8", ({ shutdownGraceMs }) => shutdownGraceMs, 8000],
];

const tokenViolation = `must be one token: printable ASCII without spaces or commas; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`;

/** The settings that a setting needs to have an effect. */
function requiredFor(name: string): Record<string, string> {
  if (name.startsWith("AUTH_CACHE_")) return { API_KEYS_ENABLED: "true" };
  if (/^(STRIPE_(ENDPOINT|CURRENCY)|CHECKOUT_RETURN_ORIGINS)$/.test(name)) return stripe;
  return /^(OBJECT_STORE_|R2_REGION$|MAX_DOWNLOADS$)/.test(name) ? store : {};
}

describe("parseSettings", () => {
  it("has these settings and no others", () => {
    assert.deepEqual([...settingNames].sort(), defaults.map(([name]) => name).sort());
  });

  for (const [name, text, read, value] of defaults) {
    it(`has the default ${JSON.stringify(text)} for ${name}`, () => {
      assert.deepEqual(read(settingsOf(requiredFor(name))), value);
      if (text !== "")
        assert.deepEqual(settingsOf({ ...requiredFor(name), [name]: text }), settingsOf(requiredFor(name)));
    });

    if (!["API_TOKEN", "API_TOKEN_FILE"].includes(name))
      it(`treats an empty ${name} as not set`, () => {
        assert.deepEqual(
          settingsOf({ ...requiredFor(name), ...(requiredFor(name)[name] ? {} : { [name]: "" }) }),
          {
            ...settingsOf(requiredFor(name)),
          },
        );
      });
  }

  it("reads every setting", () => {
    const { settings, warnings } = parseSettings(
      environment({
        BIND_ADDR: "127.0.0.1:0",
        METRICS_ADDR: "[::1]:9464",
        HEADERS_TIMEOUT_SECONDS: "4",
        REQUEST_TIMEOUT_SECONDS: "6",
        KEEP_ALIVE_TIMEOUT_SECONDS: "8",
        STALL_TIMEOUT_SECONDS: "9",
        MAX_CONNECTIONS: "11",
        TRUSTED_PROXIES: "203.0.113.7,2001:db8::/32",
        CORS_ALLOWED_ORIGINS: "https://console.example, http://localhost:3000",
        MAX_EVENT_STREAMS: "12",
        MAX_REQUESTS_IN_FLIGHT: "13",
        MAX_BODY_BYTES: "65536",
        MAX_BUFFERED_BYTES: "2097152",
        MAX_DOWNLOADS: "15",
        MAX_SHARE_PER_KEY: "0.5",
        ORCHESTRATOR_ENDPOINT: "https://orchestrator.internal:443",
        ORCHESTRATOR_KEEPALIVE_TIME_SECONDS: "1.5",
        ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: "1.25",
        ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS: "14",
        ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS: "3",
        ORCHESTRATOR_NODE_HTTP2: "true",
        API_TOKEN: "s3cret!",
        API_TOKEN_PREVIOUS: "0ld!",
        ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "2.5",
        ORCHESTRATOR_MAX_REQUEST_BYTES: "70000",
        API_KEYS_ENABLED: "true",
        AUTH_CACHE_TTL_SECONDS: "5",
        AUTH_CACHE_MAX_ENTRIES: "7",
        AUTH_CACHE_STALE_IF_ERROR_SECONDS: "0",
        OBJECT_STORE_CONNECT_TIMEOUT_SECONDS: "1",
        OBJECT_STORE_READ_TIMEOUT_SECONDS: "2",
        R2_ENDPOINT: "https://r2.example",
        R2_REGION: "eu",
        R2_BUCKET: "designs",
        R2_ACCESS_KEY_ID: "id",
        R2_SECRET_ACCESS_KEY: "key",
        STRIPE_SECRET_KEY: "rk_live_1",
        STRIPE_WEBHOOK_SECRET: "whsec_1",
        STRIPE_WEBHOOK_SECRET_PREVIOUS: "whsec_0",
        STRIPE_ENDPOINT: "https://stripe.internal:8443",
        STRIPE_CURRENCY: "EUR",
        CHECKOUT_RETURN_ORIGINS: "https://console.example",
        PRICE_PER_STEP: "10",
        LOG_LEVEL: "debug",
        LOG_FORMAT: "pretty",
        DRAIN_DELAY_SECONDS: "0",
        SHUTDOWN_GRACE_SECONDS: "3",
      }),
      readText,
    );
    assert.deepEqual(warnings, []);
    assert.deepEqual(settings, {
      bind: { host: "127.0.0.1", port: 0 },
      metricsBind: { host: "::1", port: 9464 },
      server: {
        headersTimeoutMs: 4000,
        requestTimeoutMs: 6000,
        keepAliveTimeoutMs: 8000,
        stallTimeoutMs: 9000,
        maxConnections: 11,
      },
      trustedProxies: [
        { address: "203.0.113.7", prefix: 32, family: "ipv4" },
        { address: "2001:db8::", prefix: 32, family: "ipv6" },
      ],
      allowedOrigins: ["https://console.example", "http://localhost:3000"],
      maxEventStreams: 12,
      maxRequestsInFlight: 13,
      maxSharePerKey: 0.5,
      maxBodyBytes: 65_536,
      maxBufferedBytes: 2_097_152,
      orchestratorEndpoints: ["https://orchestrator.internal:443"],
      orchestratorTls: undefined,
      objectStoreTls: undefined,
      rpcTimeoutMs: 2500,
      apiTokens: ["s3cret!", "0ld!"],
      maxRequestBytes: 70_000,
      usesNodeHttp2: true,
      keepalive: { calls: { timeMs: 1500, timeoutMs: 1250 }, streams: { timeMs: 14_000, timeoutMs: 3000 } },
      apiKeys: { ttlMs: 5000, staleMs: 0, maxEntries: 7 },
      bucket: "designs",
      objectStore: {
        endpoint: "https://r2.example",
        region: "eu",
        bucket: "designs",
        accessKeyId: "id",
        secretAccessKey: "key",
        connectTimeoutMs: 1000,
        readTimeoutMs: 2000,
        maxDownloads: 15,
      },
      stripe: {
        secretKey: "rk_live_1",
        webhookSecrets: ["whsec_1", "whsec_0"],
        endpoint: "https://stripe.internal:8443",
        currency: "eur",
        isLive: true,
        returnOrigins: ["https://console.example"],
      },
      pricePerStep: 10,
      logLevel: "debug",
      logFormat: "pretty",
      drainDelayMs: 0,
      shutdownGraceMs: 3000,
      tracing: undefined,
    });
  });

  it("requires credentials for an object store, and lists every violation in one message", () => {
    assert.deepEqual(
      settingErrors({ BIND_ADDR: "x", API_TOKEN: "", R2_ENDPOINT: "ftp://x", R2_BUCKET: "/" }),
      [
        `${prefix}BIND_ADDR must be host:port, such as 0.0.0.0:8080 or [::]:8080`,
        `${prefix}API_TOKEN ${tokenViolation}`,
        `${prefix}R2_ENDPOINT must be an http:// or https:// URL without user, query or fragment`,
        `${prefix}R2_BUCKET must be the name of a bucket: letters, digits and ._-`,
        `${prefix}R2_ACCESS_KEY_ID must be set, since R2_ENDPOINT is`,
        `${prefix}R2_SECRET_ACCESS_KEY must be set, since R2_ENDPOINT is`,
      ],
    );
    assert.deepEqual(settingErrors({ R2_ENDPOINT: "http://a", R2_ACCESS_KEY_ID_FILE: "/run/nothing" }), [
      `${prefix}R2_ACCESS_KEY_ID_FILE names a file that cannot be read: ENOENT`,
      `${prefix}R2_SECRET_ACCESS_KEY must be set, since R2_ENDPOINT is`,
    ]);
    assert.equal(settingsOf({ R2_ACCESS_KEY_ID: "a" }).objectStore, undefined);
  });

  for (const [given, violation] of [
    [
      { STRIPE_SECRET_KEY: "sk_test_1" },
      "STRIPE_WEBHOOK_SECRET must be set, since STRIPE_SECRET_KEY is: without it nobody gets what they have paid",
    ],
    [
      { STRIPE_WEBHOOK_SECRET: "whsec_1" },
      "STRIPE_SECRET_KEY must be set, since STRIPE_WEBHOOK_SECRET is: it tells whether payments are real",
    ],
    [
      { STRIPE_WEBHOOK_SECRET_PREVIOUS: "whsec_1" },
      "STRIPE_WEBHOOK_SECRET must be set, since STRIPE_WEBHOOK_SECRET_PREVIOUS is",
    ],
    [
      { ...stripe, STRIPE_SECRET_KEY: "sk_live_1", STRIPE_ENDPOINT: "http://a" },
      "STRIPE_ENDPOINT must be https://, since STRIPE_SECRET_KEY is a live key",
    ],
    [
      { ...stripe, STRIPE_SECRET_KEY: "pk_test_1" },
      "STRIPE_SECRET_KEY must be a secret key of Stripe: sk_ or rk_, live_ or test_, and what follows",
    ],
    [
      { ...stripe, STRIPE_WEBHOOK_SECRET: "secret" },
      "STRIPE_WEBHOOK_SECRET must be the signing secret of a webhook: whsec_ and what follows",
    ],
    [
      { STRIPE_ENDPOINT: "https://a/v1" },
      "STRIPE_ENDPOINT must be an http:// or https:// URL without a path",
    ],
    [
      { STRIPE_CURRENCY: "dollar" },
      "STRIPE_CURRENCY must be the code of a currency that has a hundredth, such as usd",
    ],
    [
      { STRIPE_CURRENCY: "jpy" },
      "STRIPE_CURRENCY must be the code of a currency that has a hundredth, such as usd",
    ],
    [
      { STRIPE_CURRENCY: "HUF" },
      "STRIPE_CURRENCY must be the code of a currency that has a hundredth, such as usd",
    ],
    [{ PRICE_PER_STEP: "-1" }, "PRICE_PER_STEP must be at least 0"],
    [{ PRICE_PER_STEP: "0.5" }, "PRICE_PER_STEP must be a whole number"],
  ] as const)
    it(`rejects ${JSON.stringify(given)}`, () => {
      assert.deepEqual(settingErrors(given), [prefix + violation]);
    });

  it("rejects one address for metrics and routes, unless its port is 0", () => {
    assert.deepEqual(settingErrors({ METRICS_ADDR: "0.0.0.0:8080" }), [
      `${prefix}METRICS_ADDR must be another address than BIND_ADDR`,
    ]);
    const { bind, metricsBind } = settingsOf({ BIND_ADDR: "[::1]:0", METRICS_ADDR: "[::1]:0" });
    assert.deepEqual(metricsBind, bind);
  });

  it("rejects a drain delay that is not shorter than the grace", () => {
    const message = `${prefix}DRAIN_DELAY_SECONDS must be less than SHUTDOWN_GRACE_SECONDS`;
    assert.deepEqual(settingErrors({ DRAIN_DELAY_SECONDS: "8" }), [message]);
    assert.deepEqual(settingErrors({ SHUTDOWN_GRACE_SECONDS: "3" }), [message]);
    assert.equal(settingsOf({ DRAIN_DELAY_SECONDS: "2", SHUTDOWN_GRACE_SECONDS: "2.1" }).drainDelayMs, 2000);
  });

  it("rejects a body limit above that of messages, and one above a 32nd of MAX_BUFFERED_BYTES", () => {
    const messages = `${prefix}MAX_BODY_BYTES must be at most ORCHESTRATOR_MAX_REQUEST_BYTES`;
    const buffered = `${prefix}MAX_BODY_BYTES must be at most a 32nd of MAX_BUFFERED_BYTES`;
    const [fits, larger] = ["4194304", "4194305"];
    assert.equal(settingsOf({ MAX_BODY_BYTES: fits }).maxBodyBytes, Number(fits));
    assert.deepEqual(settingErrors({ MAX_BODY_BYTES: larger }), [messages, buffered]);
    assert.deepEqual(settingErrors({ MAX_BODY_BYTES: larger, MAX_BUFFERED_BYTES: "536870912" }), [messages]);
    assert.deepEqual(settingErrors({ MAX_BODY_BYTES: larger, ORCHESTRATOR_MAX_REQUEST_BYTES: larger }), [
      buffered,
    ]);
  });

  it("accepts smaller limits of messages and of memory than the default of the body limit", () => {
    const small = settingsOf({ ORCHESTRATOR_MAX_REQUEST_BYTES: "65536", MAX_BUFFERED_BYTES: "65536" });
    assert.equal(small.maxBodyBytes, 1_048_576);
  });

  it("repeats no value in a violation or a warning", () => {
    const secret = "hunter2 hunter2";
    const everything = Object.fromEntries([...settingNames, "API_TOKE"].map((name) => [name, secret]));
    const message = settingErrors(everything).join("\n");
    assert.ok(message.includes("API_TOKEN"));
    assert.ok(!message.includes("hunter2"));
    const { warnings } = parseSettings(environment({ API_TOKE: secret }), readText);
    assert.ok(!JSON.stringify(warnings).includes("hunter2"));
  });

  it("returns frozen settings", () => {
    assert.ok(Object.isFrozen(settingsOf({})));
    const settings = settingsOf({
      CORS_ALLOWED_ORIGINS: "https://app.example",
      API_KEYS_ENABLED: "true",
      R2_ENDPOINT: "http://127.0.0.1:1",
      R2_ACCESS_KEY_ID: "a",
      R2_SECRET_ACCESS_KEY: "b",
    });
    const { bind, server, allowedOrigins, keepalive, apiTokens, apiKeys, objectStore } = settings;
    for (const part of [
      bind,
      server,
      allowedOrigins,
      keepalive,
      keepalive.calls,
      apiTokens,
      apiKeys,
      objectStore,
    ])
      assert.ok(Object.isFrozen(part));
  });
});
