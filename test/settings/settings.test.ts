import assert from "node:assert/strict";
import { parseSettings, prefix, settingNames } from "../../src/settings/settings.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { readText } from "../../src/settings/read-text.ts";
import { configOf, environment, settingErrors } from "../support/environment.ts";

const store = { R2_ENDPOINT: "http://store:9000", R2_ACCESS_KEY_ID: "id", R2_SECRET_ACCESS_KEY: "secret" };

/** Each setting, its default as text, and where the code finds it. */
const defaults: [name: string, text: string, read: (config: Settings) => unknown, value: unknown][] = [
  ["BIND_ADDR", "0.0.0.0:8080", ({ bind }) => bind, { host: "0.0.0.0", port: 8080 }],
  ["METRICS_ADDR", "", ({ metricsBind }) => metricsBind, undefined],
  ["HEADERS_TIMEOUT_SECONDS", "10", ({ server }) => server.headersTimeoutMs, 10_000],
  ["REQUEST_TIMEOUT_SECONDS", "30", ({ server }) => server.requestTimeoutMs, 30_000],
  ["KEEP_ALIVE_TIMEOUT_SECONDS", "75", ({ server }) => server.keepAliveTimeoutMs, 75_000],
  ["STALL_TIMEOUT_SECONDS", "30", ({ server }) => server.stallTimeoutMs, 30_000],
  ["CORS_ALLOWED_ORIGINS", "", ({ allowedOrigins }) => allowedOrigins, undefined],
  ["MAX_CONNECTIONS", "20000", ({ server }) => server.maxConnections, 20_000],
  ["MAX_EVENT_STREAMS", "10000", ({ maxEventStreams }) => maxEventStreams, 10_000],
  ["MAX_DOWNLOADS", "1000", ({ objectStore }) => objectStore?.maxDownloads, 1000],
  ["MAX_REQUESTS_IN_FLIGHT", "512", ({ maxRequestsInFlight }) => maxRequestsInFlight, 512],
  ["MAX_SHARE_PER_KEY", "0.25", ({ maxSharePerKey }) => maxSharePerKey, 0.25],
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
  ["ORCHESTRATOR_PING_TIMEOUT_SECONDS", "2", ({ keepalive }) => keepalive.calls.timeoutMs, 2000],
  ["ORCHESTRATOR_KEEPALIVE_SECONDS", "30", ({ keepalive }) => keepalive.streams.timeMs, 30_000],
  ["API_KEYS_ENABLED", "false", ({ apiKeys }) => apiKeys !== undefined, false],
  ["AUTH_CACHE_TTL_SECONDS", "30", ({ apiKeys }) => apiKeys?.ttlMs, 30_000],
  ["AUTH_CACHE_MAX_ENTRIES", "10000", ({ apiKeys }) => apiKeys?.maxEntries, 10_000],
  ["STALE_AUTH_SECONDS", "60", ({ apiKeys }) => apiKeys?.staleMs, 60_000],
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
  ["LOG_LEVEL", "info", ({ logLevel }) => logLevel, "info"],
  ["LOG_FORMAT", "auto", ({ logFormat }) => logFormat, "auto"],
  ["DRAIN_DELAY_SECONDS", "5", ({ drainDelayMs }) => drainDelayMs, 5000],
  ["SHUTDOWN_GRACE_SECONDS", "20", ({ shutdownGraceMs }) => shutdownGraceMs, 20_000],
];

const tokenFault = `must be one token: printable ASCII without spaces and commas; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`;

/** What has to be on for a default to be seen at all. */
function around(name: string): Record<string, string> {
  if (name.startsWith("AUTH_CACHE_") || name === "STALE_AUTH_SECONDS") return { API_KEYS_ENABLED: "true" };
  return /^(OBJECT_STORE_|R2_REGION$|MAX_DOWNLOADS$)/.test(name) ? store : {};
}

describe("parseConfig", () => {
  it("knows these settings and no other", () => {
    assert.deepEqual([...settingNames].sort(), defaults.map(([name]) => name).sort());
  });

  for (const [name, text, read, value] of defaults) {
    it(`has the default ${JSON.stringify(text)} for ${name}`, () => {
      assert.deepEqual(read(configOf(around(name))), value);
      if (text !== "") assert.deepEqual(configOf({ ...around(name), [name]: text }), configOf(around(name)));
    });

    if (!["API_TOKEN", "API_TOKEN_FILE"].includes(name))
      it(`takes an empty ${name} for an absent one`, () => {
        assert.deepEqual(configOf({ ...around(name), ...(around(name)[name] ? {} : { [name]: "" }) }), {
          ...configOf(around(name)),
        });
      });
  }

  it("reads every setting", () => {
    const { config, warnings } = parseSettings(
      environment({
        BIND_ADDR: "127.0.0.1:0",
        METRICS_ADDR: "[::1]:9464",
        HEADERS_TIMEOUT_SECONDS: "4",
        REQUEST_TIMEOUT_SECONDS: "6",
        KEEP_ALIVE_TIMEOUT_SECONDS: "8",
        STALL_TIMEOUT_SECONDS: "9",
        MAX_CONNECTIONS: "11",
        CORS_ALLOWED_ORIGINS: "https://console.example, http://localhost:3000",
        MAX_EVENT_STREAMS: "12",
        MAX_REQUESTS_IN_FLIGHT: "13",
        MAX_BUFFERED_BYTES: "65536",
        MAX_DOWNLOADS: "15",
        MAX_SHARE_PER_KEY: "0.5",
        ORCHESTRATOR_ENDPOINT: "https://orchestrator.internal:443",
        ORCHESTRATOR_PING_TIMEOUT_SECONDS: "1.5",
        ORCHESTRATOR_KEEPALIVE_SECONDS: "14",
        API_TOKEN: "s3cret!",
        API_TOKEN_PREVIOUS: "0ld!",
        ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "2.5",
        ORCHESTRATOR_MAX_REQUEST_BYTES: "70000",
        API_KEYS_ENABLED: "true",
        AUTH_CACHE_TTL_SECONDS: "5",
        AUTH_CACHE_MAX_ENTRIES: "7",
        STALE_AUTH_SECONDS: "0",
        OBJECT_STORE_CONNECT_TIMEOUT_SECONDS: "1",
        OBJECT_STORE_READ_TIMEOUT_SECONDS: "2",
        R2_ENDPOINT: "https://r2.example",
        R2_REGION: "eu",
        R2_BUCKET: "designs",
        R2_ACCESS_KEY_ID: "id",
        R2_SECRET_ACCESS_KEY: "key",
        LOG_LEVEL: "debug",
        LOG_FORMAT: "pretty",
        DRAIN_DELAY_SECONDS: "0",
        SHUTDOWN_GRACE_SECONDS: "3",
      }),
      readText,
    );
    assert.deepEqual(warnings, []);
    assert.deepEqual(config, {
      bind: { host: "127.0.0.1", port: 0 },
      metricsBind: { host: "::1", port: 9464 },
      server: {
        headersTimeoutMs: 4000,
        requestTimeoutMs: 6000,
        keepAliveTimeoutMs: 8000,
        stallTimeoutMs: 9000,
        maxConnections: 11,
      },
      allowedOrigins: ["https://console.example", "http://localhost:3000"],
      maxEventStreams: 12,
      maxRequestsInFlight: 13,
      maxSharePerKey: 0.5,
      maxBufferedBytes: 65_536,
      orchestratorEndpoints: ["https://orchestrator.internal:443"],
      orchestratorTls: undefined,
      objectStoreTls: undefined,
      rpcTimeoutMs: 2500,
      apiTokens: ["s3cret!", "0ld!"],
      maxRequestBytes: 70_000,
      keepalive: { calls: { timeMs: 1500, timeoutMs: 1500 }, streams: { timeMs: 14_000, timeoutMs: 1500 } },
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
      logLevel: "debug",
      logFormat: "pretty",
      drainDelayMs: 0,
      shutdownGraceMs: 3000,
      tracing: undefined,
    });
  });

  it("wants credentials where there is an object store, and lists every fault in one message", () => {
    assert.deepEqual(
      settingErrors({ BIND_ADDR: "x", API_TOKEN: "", R2_ENDPOINT: "ftp://x", R2_BUCKET: "/" }),
      [
        `${prefix}BIND_ADDR must be host:port, such as 0.0.0.0:8080 or [::]:8080`,
        `${prefix}API_TOKEN ${tokenFault}`,
        `${prefix}R2_ENDPOINT must be an http:// or https:// URL without user, query and fragment`,
        `${prefix}R2_BUCKET must be the name of a bucket: letters, digits and ._-`,
        `${prefix}R2_ACCESS_KEY_ID must be set, since R2_ENDPOINT is`,
        `${prefix}R2_SECRET_ACCESS_KEY must be set, since R2_ENDPOINT is`,
      ],
    );
    assert.deepEqual(settingErrors({ R2_ENDPOINT: "http://a", R2_ACCESS_KEY_ID_FILE: "/run/nothing" }), [
      `${prefix}R2_ACCESS_KEY_ID_FILE names a file that cannot be read: ENOENT`,
      `${prefix}R2_SECRET_ACCESS_KEY must be set, since R2_ENDPOINT is`,
    ]);
    assert.equal(configOf({ R2_ACCESS_KEY_ID: "a" }).objectStore, undefined);
  });

  it("wants another address for the metrics than for the rest, unless both are any free port", () => {
    assert.deepEqual(settingErrors({ METRICS_ADDR: "0.0.0.0:8080" }), [
      `${prefix}METRICS_ADDR must be another address than BIND_ADDR`,
    ]);
    const { bind, metricsBind } = configOf({ BIND_ADDR: "[::1]:0", METRICS_ADDR: "[::1]:0" });
    assert.deepEqual(metricsBind, bind);
  });

  it("wants a drain delay that leaves some of the grace", () => {
    const message = `${prefix}DRAIN_DELAY_SECONDS must be less than SHUTDOWN_GRACE_SECONDS`;
    assert.deepEqual(settingErrors({ DRAIN_DELAY_SECONDS: "20" }), [message]);
    assert.deepEqual(settingErrors({ SHUTDOWN_GRACE_SECONDS: "5" }), [message]);
    assert.equal(configOf({ DRAIN_DELAY_SECONDS: "2", SHUTDOWN_GRACE_SECONDS: "2.1" }).drainDelayMs, 2000);
  });

  it("repeats no value in a fault or a warning", () => {
    const secret = "hunter2 hunter2";
    const everything = Object.fromEntries([...settingNames, "API_TOKE"].map((name) => [name, secret]));
    const told = settingErrors(everything).join("\n");
    assert.ok(told.includes("API_TOKEN"));
    assert.ok(!told.includes("hunter2"));
    const { warnings } = parseSettings(environment({ API_TOKE: secret }), readText);
    assert.ok(!warnings.join("\n").includes("hunter2"));
  });

  it("warns of an unknown name with the nearest known one, and passes over what has no prefix", () => {
    const env = {
      ...environment({ ORCHESTRATOR_ENDPONT: "x", R2_BUCKET_NAME: "y" }),
      PATH: "/bin",
      BIND_ADDR: "x",
    };
    assert.deepEqual(parseSettings(env, readText).warnings, [
      `${prefix}ORCHESTRATOR_ENDPONT is not a setting; did you mean ${prefix}ORCHESTRATOR_ENDPOINT?`,
      `${prefix}R2_BUCKET_NAME is not a setting; did you mean ${prefix}R2_BUCKET?`,
    ]);
    assert.deepEqual(
      parseSettings({ ...env, [`${prefix}BIND_ADDR`]: undefined }, readText).config,
      configOf({}),
    );
  });

  it("returns a frozen configuration", () => {
    assert.ok(Object.isFrozen(configOf({})));
    const config = configOf({
      CORS_ALLOWED_ORIGINS: "https://app.example",
      API_KEYS_ENABLED: "true",
      R2_ENDPOINT: "http://127.0.0.1:1",
      R2_ACCESS_KEY_ID: "a",
      R2_SECRET_ACCESS_KEY: "b",
    });
    const { bind, server, allowedOrigins, keepalive, apiTokens, apiKeys, objectStore } = config;
    for (const part of [bind, server, allowedOrigins, keepalive, apiTokens, apiKeys, objectStore])
      assert.ok(Object.isFrozen(part));
  });
});
