import assert from "node:assert/strict";
import { prefix, settingNames } from "../../src/settings/schema.ts";
import { settingsOf, settingErrors } from "../support/environment.ts";

const credentialViolation = "must be one line of UTF-8 without control characters or a byte order mark";
const notEndpoints = "must be http:// or https:// URLs without user, query or fragment, separated by commas";
const tokenViolation = "must be one token: printable ASCII without spaces or commas";

/** The settings that another one requires. */
const needed: Readonly<Record<string, Record<string, string>>> = {
  R2_ENDPOINT: { R2_ACCESS_KEY_ID: "a", R2_SECRET_ACCESS_KEY: "b" },
  API_TOKEN_PREVIOUS: { API_TOKEN: "new" },
};

/** Times that may be 0. */
const mayBeZero = ["AUTH_CACHE_TTL_SECONDS", "AUTH_CACHE_STALE_IF_ERROR_SECONDS", "DRAIN_DELAY_SECONDS"];

describe("parseSettings: values", () => {
  for (const [text, host, port] of [
    ["[::]:8080", "::", 8080],
    ["[::1]:65535", "::1", 65_535],
    ["[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1],
    ["localhost:80", "localhost", 80],
  ] as const)
    it(`binds to ${text}`, () => assert.deepEqual(settingsOf({ BIND_ADDR: text }).bind, { host, port }));

  it("accepts * as all origins", () => {
    assert.equal(settingsOf({ CORS_ALLOWED_ORIGINS: "*" }).allowedOrigins, "*");
  });

  it("accepts names of subnets, with or without spaces between them", () => {
    assert.deepEqual(settingsOf({ TRUSTED_PROXIES: "loopback, private,::/0" }).trustedProxies, [
      { address: "127.0.0.0", prefix: 8, family: "ipv4" },
      { address: "::1", prefix: 128, family: "ipv6" },
      { address: "10.0.0.0", prefix: 8, family: "ipv4" },
      { address: "172.16.0.0", prefix: 12, family: "ipv4" },
      { address: "192.168.0.0", prefix: 16, family: "ipv4" },
      { address: "fc00::", prefix: 7, family: "ipv6" },
      { address: "::", prefix: 0, family: "ipv6" },
    ]);
  });

  for (const token of ["any~printable!", "+-.;:", "x"])
    it(`accepts ${JSON.stringify(token)} as an administrator token`, () => {
      assert.deepEqual(settingsOf({ API_TOKEN: token }).apiTokens, [token]);
      const tokens = { API_TOKEN: "new", API_TOKEN_PREVIOUS: token };
      assert.deepEqual(settingsOf(tokens).apiTokens, ["new", token]);
    });

  it("accepts several orchestrators, with or without spaces between them", () => {
    assert.deepEqual(
      settingsOf({ ORCHESTRATOR_ENDPOINT: "http://a:1, http://b:2,http://[::1]:3" }).orchestratorEndpoints,
      ["http://a:1", "http://b:2", "http://[::1]:3"],
    );
  });

  for (const text of ["0.001", "1", "1.0"])
    it(`accepts the share ${text}`, () =>
      assert.equal(settingsOf({ MAX_SHARE_PER_KEY: text }).maxSharePerKey, Number(text)));

  it("rounds seconds to whole milliseconds", () => {
    const settings = settingsOf({
      ORCHESTRATOR_RPC_TIMEOUT_SECONDS: "1.001",
      DRAIN_DELAY_SECONDS: "0",
      SHUTDOWN_GRACE_SECONDS: "0.0014",
    });
    assert.equal(settings.rpcTimeoutMs, 1001);
    assert.equal(settings.shutdownGraceMs, 1);
  });

  const secondsViolations = (minimum: string): [string, string][] => [
    ["soon", "must be a number of seconds"],
    ["10s", "must be a number of seconds"],
    ["NaN", "must be a number of seconds"],
    ["Infinity", "must be a number of seconds"],
    ["0x10", "must be a number of seconds"],
    ["1e3", "must be a number of seconds"],
    ...(minimum === "0" ? [] : [["0", `must be at least ${minimum}`] satisfies [string, string]]),
    ["-1", `must be at least ${minimum}`],
    ["86401", "must be at most 86400"],
  ];
  const violations: [name: string, value: string, message: string][] = [
    ...["8080", ":8080", "host", "0.0.0.0:", "0.0.0.0:65536", "::1:80", "[::1]", "a b:80", "http://a:80"].map(
      (value): [string, string, string] => [
        "BIND_ADDR",
        value,
        "must be host:port, such as 0.0.0.0:8080 or [::]:8080",
      ],
    ),
    ["METRICS_ADDR", "9464", "must be host:port, such as 0.0.0.0:8080 or [::]:8080"],
    ...[
      "127.0.0.1:50051",
      "grpc://a:1",
      "http://",
      "no url",
      "http://u:p@a",
      "http://a?b",
      "http://a#b",
    ].flatMap((value): [string, string, string][] => [
      ["R2_ENDPOINT", value, "must be an http:// or https:// URL without user, query or fragment"],
      ["ORCHESTRATOR_ENDPOINT", value, notEndpoints],
      ["ORCHESTRATOR_ENDPOINT", `http://b:2,${value}`, notEndpoints],
    ]),
    ["ORCHESTRATOR_ENDPOINT", "http://a:1,", notEndpoints],
    ...["http://a:1,https://b:1", "http://a:1/x,http://b:1/y", "http://a:1,http://b:1/y"].map(
      (value): [string, string, string] => [
        "ORCHESTRATOR_ENDPOINT",
        value,
        "must be URLs of one scheme and one path",
      ],
    ),
    ["API_TOKEN", "", `${tokenViolation}; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`],
    ...[
      "two words",
      "schlüssel",
      "a,b",
      "a, b",
      "a,",
      ",a",
      ",",
      "a\nb",
      "a\r\nb",
      " a",
      "a ",
      "a\n",
    ].flatMap((value): [string, string, string][] => [
      ["API_TOKEN", value, `${tokenViolation}; a second one belongs in ${prefix}API_TOKEN_PREVIOUS`],
      ["API_TOKEN_PREVIOUS", value, tokenViolation],
    ]),
    ["R2_ACCESS_KEY_ID", "two\nlines", credentialViolation],
    ["R2_SECRET_ACCESS_KEY", "two\nlines", credentialViolation],
    ["R2_ACCESS_KEY_ID", "\uFEFFid", credentialViolation],
    ["R2_SECRET_ACCESS_KEY", Buffer.from([0x6b, 0xe9]).toString(), credentialViolation],
    ["API_KEYS_ENABLED", "maybe", "must be true or false"],
    ["AUTH_CACHE_MAX_ENTRIES", "many", "must be a number"],
    ["AUTH_CACHE_MAX_ENTRIES", "1.5", "must be a whole number"],
    ["AUTH_CACHE_MAX_ENTRIES", "0", "must be at least 1"],
    ["AUTH_CACHE_MAX_ENTRIES", "1000001", "must be at most 1000000"],
    ["MAX_SHARE_PER_KEY", "a quarter", "must be a number"],
    ["MAX_SHARE_PER_KEY", "25%", "must be a number"],
    ["MAX_SHARE_PER_KEY", "0", "must be above 0"],
    ["MAX_SHARE_PER_KEY", "0.0", "must be above 0"],
    ["MAX_SHARE_PER_KEY", "-0.1", "must be above 0"],
    ["MAX_SHARE_PER_KEY", "1.01", "must be at most 1"],
    ...[
      "app.example",
      "https://app.example/",
      "https://app.example/path",
      "https://app.example:443",
      "HTTPS://app.example",
      "https://App.example",
      "https://u:p@app.example",
      "ftp://app.example",
      "null",
      "*.example",
      "https://*.example",
      "https://app.example,*",
      "https://app.example,",
    ].map((value): [string, string, string] => [
      "CORS_ALLOWED_ORIGINS",
      value,
      "must be * or origins without a path, separated by commas, such as https://app.example,http://localhost:3000",
    ]),
    ...[
      "proxy.example",
      "Private",
      "10.0.0.0/33",
      "::1/129",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "10.0.0",
      "10.0.0.256",
      "[::1]",
      "::ffff:10.0.0.1",
      "fe80::1%eth0",
      "10.0.0.1,",
      "10.0.0.1 10.0.0.2",
    ].map((value): [string, string, string] => [
      "TRUSTED_PROXIES",
      value,
      "must be IP addresses, CIDRs, loopback or private, separated by commas, such as private,203.0.113.7",
    ]),
    ["R2_BUCKET", "a/b", "must be the name of a bucket: letters, digits and ._-"],
    ["R2_BUCKET", "..", "must be the name of a bucket: letters, digits and ._-"],
    ...["silent", "INFO", "30", "verbose"].map((value): [string, string, string] => [
      "LOG_LEVEL",
      value,
      "must be one of trace, debug, info, warn, error, fatal",
    ]),
    ...["MAX_BUFFERED_BYTES", "ORCHESTRATOR_MAX_REQUEST_BYTES"].flatMap(
      (name): [string, string, string][] => [
        [name, "65535", "must be at least 65536"],
        [name, "68719476737", "must be at most 68719476736"],
        [name, "65536.5", "must be a whole number"],
        [name, "64MiB", "must be a number of bytes"],
      ],
    ),
    ["MAX_BODY_BYTES", "65535", "must be at least 65536"],
    ["MAX_BODY_BYTES", "16777217", "must be at most 16777216"],
    ["LOG_FORMAT", "text", "must be one of auto, json, pretty"],
    ...settingNames
      .filter((name) => name.endsWith("_SECONDS"))
      .flatMap((name) =>
        secondsViolations(mayBeZero.includes(name) ? "0" : "0.001").map(
          ([value, text]): [string, string, string] => [name, value, text],
        ),
      ),
  ];
  for (const [name, value, message] of violations)
    it(`rejects ${name}=${JSON.stringify(value)}`, () => {
      assert.deepEqual(settingErrors({ ...needed[name], [name]: value }), [`${prefix}${name} ${message}`]);
    });
});
