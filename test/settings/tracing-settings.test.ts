import assert from "node:assert/strict";
import { SettingsError, parseSettings } from "../../src/settings/settings.ts";
import { parseTracing } from "../../src/settings/tracing-settings.ts";
import { readText } from "../../src/settings/secret-files.ts";

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };

function settingsOf(env: Record<string, string>) {
  const { tracing, violations } = parseTracing({ ...endpoint, ...env });
  assert.deepEqual(violations, []);
  assert.ok(tracing !== undefined);
  return tracing;
}

describe("parseTracing", () => {
  for (const [what, env] of [
    [
      "without an endpoint, whatever else is set",
      { OTEL_TRACES_SAMPLER: "nonsense", OTEL_SERVICE_NAME: "x" },
    ],
    ["for an empty endpoint", { OTEL_EXPORTER_OTLP_ENDPOINT: " " }],
    ["if the SDK is disabled", { ...endpoint, OTEL_SDK_DISABLED: "True" }],
    [
      "without an exporter",
      { ...endpoint, OTEL_TRACES_EXPORTER: "None", OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" },
    ],
  ] as const)
    it(`is off ${what}`, () => {
      assert.deepEqual(parseTracing(env), { tracing: undefined, violations: [] });
    });

  it("uses the defaults of the specification, and a default service name", () => {
    assert.deepEqual(settingsOf({ OTEL_SDK_DISABLED: "false", OTEL_TRACES_EXPORTER: "otlp" }), {
      protocol: "http/protobuf",
      url: "http://collector:4318/v1/traces",
      headers: {},
      timeoutMs: 10_000,
      compression: "none",
      delayMs: 5000,
      resource: { "service.name": "foldforge-gateway" },
      sampler: "parentbased_always_on",
      ratio: 1,
    });
  });

  for (const [base, url] of [
    ["https://collector.example", "https://collector.example/v1/traces"],
    ["https://collector.example/", "https://collector.example/v1/traces"],
    ["https://collector.example/otlp", "https://collector.example/otlp/v1/traces"],
  ] as const)
    it(`appends the path for traces to ${base}`, () => {
      assert.equal(settingsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: base }).url, url);
    });

  for (const [env, protocol, url] of [
    // As it stands in compose files for SDKs whose default is gRPC.
    [{ ENDPOINT: "http://otel-collector:4317" }, "grpc", "http://otel-collector:4317"],
    [{ ENDPOINT: "https://collector:4317/" }, "grpc", "https://collector:4317/"],
    [{ ENDPOINT: "http://collector", PROTOCOL: "grpc" }, "grpc", "http://collector"],
    [{ ENDPOINT: "http://collector:4318", TRACES_PROTOCOL: "GRPC" }, "grpc", "http://collector:4318"],
    [
      { ENDPOINT: "http://collector:4318", TRACES_ENDPOINT: "http://traces:4317" },
      "grpc",
      "http://traces:4317",
    ],
    [
      { ENDPOINT: "http://collector:4317", PROTOCOL: "http/protobuf" },
      "http/protobuf",
      "http://collector:4317/v1/traces",
    ],
    [
      { ENDPOINT: "http://collector:4317", TRACES_ENDPOINT: "http://traces:4318/in" },
      "http/protobuf",
      "http://traces:4318/in",
    ],
  ] as const)
    it(`sends by ${protocol} to ${url} with ${JSON.stringify(env)}`, () => {
      const variables = Object.entries(env).map(([name, value]) => [`OTEL_EXPORTER_OTLP_${name}`, value]);
      const settings = settingsOf(Object.fromEntries(variables));
      assert.deepEqual([settings.protocol, settings.url], [protocol, url]);
    });

  it("prefers the variables for traces, and ignores invalid ones for all signals", () => {
    const settings = settingsOf({
      OTEL_EXPORTER_OTLP_ENDPOINT: "unix:///collector",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:1/in",
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_TIMEOUT: "soon",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "250",
      OTEL_EXPORTER_OTLP_COMPRESSION: "zstd",
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "gzip",
    });
    assert.equal(settings.url, "http://traces:1/in");
    assert.equal(settings.timeoutMs, 250);
    assert.equal(settings.compression, "gzip");
  });

  it("merges decoded headers of both variables; those for traces win", () => {
    const { headers } = settingsOf({
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Basic%20YWxs, x-tenant = a%2Cb ,",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "authorization=Bearer abc==",
    });
    assert.deepEqual(headers, { authorization: "Bearer abc==", "x-tenant": "a,b" });
  });

  it("reads the service's attributes; OTEL_SERVICE_NAME wins over service.name", () => {
    const OTEL_RESOURCE_ATTRIBUTES = "service.name=by-attribute,deployment.environment.name=stag%3Ding";
    const named = { "service.name": "by-attribute", "deployment.environment.name": "stag=ing" };
    assert.deepEqual(settingsOf({ OTEL_RESOURCE_ATTRIBUTES }).resource, named);
    assert.deepEqual(settingsOf({ OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME: "edge" }).resource, {
      ...named,
      "service.name": "edge",
    });
  });

  it("reads the delay of batches", () => {
    assert.equal(settingsOf({ OTEL_BSP_SCHEDULE_DELAY: "20" }).delayMs, 20);
  });

  it("reads the sampler and its argument", () => {
    const { sampler, ratio } = settingsOf({
      OTEL_TRACES_SAMPLER: "traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
    });
    assert.deepEqual({ sampler, ratio }, { sampler: "traceidratio", ratio: 0.25 });
  });

  it("accepts words in any case", () => {
    const { sampler, compression } = settingsOf({
      OTEL_TRACES_EXPORTER: "OTLP",
      OTEL_EXPORTER_OTLP_PROTOCOL: "HTTP/protobuf",
      OTEL_EXPORTER_OTLP_COMPRESSION: "GZIP",
      OTEL_TRACES_SAMPLER: "Always_On",
    });
    assert.deepEqual({ sampler, compression }, { sampler: "always_on", compression: "gzip" });
  });

  const notPairs = "must be name=value pairs, separated by commas, with percent-encoded values";
  const notHeaders = "must be name=value pairs of headers, separated by commas, with percent-encoded values";
  for (const [name, value, violation] of [
    ["OTEL_SDK_DISABLED", "yes", "must be true or false"],
    ["OTEL_TRACES_EXPORTER", "zipkin", "must be otlp or none"],
    [
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      "collector:4318",
      "must be an http:// or https:// URL without user, query or fragment",
    ],
    [
      "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
      "http://me:secret@collector",
      "must be an http:// or https:// URL without user, query or fragment",
    ],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "must be grpc or http/protobuf"],
    ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http", "must be grpc or http/protobuf"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "authorization", notHeaders],
    ["OTEL_EXPORTER_OTLP_HEADERS", "two words=secret", notHeaders],
    ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=secret%0D%0Ax: y", notHeaders],
    ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=secret%zz", notHeaders],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "0", "must be a number of milliseconds, from 1 to 999999"],
    ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1e3", "must be a number of milliseconds, from 1 to 999999"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "br", "must be none or gzip"],
    ["OTEL_RESOURCE_ATTRIBUTES", "a=1,=2", notPairs],
    [
      "OTEL_TRACES_SAMPLER",
      "sometimes",
      "must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio",
    ],
    ["OTEL_TRACES_SAMPLER_ARG", "1.5", "must be a number from 0 to 1"],
  ] as const)
    it(`rejects ${name}=${value}, and does not repeat it`, () => {
      assert.deepEqual(parseTracing({ ...endpoint, [name]: value }).violations, [`${name} ${violation}`]);
    });

  for (const value of ["caf%C3%A9", "%20a", "a%09b"])
    it(`rejects the header value ${value} only if the protocol is grpc`, () => {
      const env = { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_HEADERS: `x-note=${value}` };
      assert.deepEqual(parseTracing(env).violations, []);
      assert.deepEqual(parseTracing({ ...env, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }).violations, [
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS must have values of printable ASCII, since the protocol is grpc",
      ]);
    });

  it("reports its violations together with those of the settings", () => {
    const env = { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "zipkin", FOLDFORGE_GATEWAY__BIND_ADDR: "8080" };
    assert.throws(
      () => parseSettings(env, readText),
      (error) =>
        error instanceof SettingsError &&
        error.message.includes("FOLDFORGE_GATEWAY__BIND_ADDR must be") &&
        error.message.includes("OTEL_EXPORTER_OTLP_PROTOCOL must be"),
    );
  });

  it("is part of the frozen settings", () => {
    const { tracing } = parseSettings(endpoint, readText).settings;
    assert.equal(tracing?.url, "http://collector:4318/v1/traces");
    assert.ok(Object.isFrozen(tracing));
  });
});
