import assert from "node:assert/strict";
import { prefix } from "../../src/settings/schema.ts";
import { parseSettings } from "../../src/settings/settings.ts";
import { readText } from "../../src/settings/secret-files.ts";
import { environment, settingsOf, settingErrors } from "../support/environment.ts";

describe("warningOfUnknown", () => {
  it("warns of an unknown name with the nearest setting, and ignores names without the prefix", () => {
    const env = {
      ...environment({ ORCHESTRATOR_ENDPONT: "x", R2_BUCKET_NAME: "y" }),
      PATH: "/bin",
      BIND_ADDR: "x",
    };
    assert.deepEqual(parseSettings(env, readText).warnings, [
      {
        event: "setting.ignored",
        setting: `${prefix}ORCHESTRATOR_ENDPONT`,
        replacements: [`${prefix}ORCHESTRATOR_ENDPOINT`],
        message: `${prefix}ORCHESTRATOR_ENDPONT is not a setting; did you mean ${prefix}ORCHESTRATOR_ENDPOINT?`,
      },
      {
        event: "setting.ignored",
        setting: `${prefix}R2_BUCKET_NAME`,
        replacements: [`${prefix}R2_BUCKET`],
        message: `${prefix}R2_BUCKET_NAME is not a setting; did you mean ${prefix}R2_BUCKET?`,
      },
    ]);
    assert.deepEqual(
      parseSettings({ ...env, [`${prefix}BIND_ADDR`]: undefined }, readText).settings,
      settingsOf({}),
    );
  });
});

describe("replaceDeprecated", () => {
  const keepaliveTime = `${prefix}ORCHESTRATOR_KEEPALIVE_TIME_SECONDS`;
  const keepaliveTimeout = `${prefix}ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS`;
  const streamTimeout = `${prefix}ORCHESTRATOR_STREAM_KEEPALIVE_TIMEOUT_SECONDS`;
  const streamTime = "ORCHESTRATOR_STREAM_KEEPALIVE_TIME_SECONDS";
  const isDeprecated = "is deprecated and will be removed in the next release";

  function parse(settings: Record<string, string>) {
    const parsed = parseSettings(environment({ API_KEYS_ENABLED: "true", ...settings }), readText);
    const { keepalive, apiKeys } = parsed.settings;
    assert.ok(parsed.warnings.every(({ event }) => event === "setting.deprecated"));
    const { warnings } = parsed;
    return {
      keepalive,
      staleMs: apiKeys?.staleMs,
      warnings,
      messages: warnings.map(({ message }) => message),
    };
  }

  it("set every setting that replaces them, with a warning", () => {
    const { keepalive, staleMs, warnings } = parse({
      ORCHESTRATOR_PING_TIMEOUT_SECONDS: "1.5",
      STALE_AUTH_SECONDS: "0",
    });
    assert.deepEqual(keepalive, {
      calls: { timeMs: 1500, timeoutMs: 1500 },
      streams: { timeMs: 30_000, timeoutMs: 1500 },
    });
    assert.equal(staleMs, 0);
    assert.deepEqual(warnings, [
      {
        event: "setting.deprecated",
        setting: `${prefix}ORCHESTRATOR_PING_TIMEOUT_SECONDS`,
        replacements: [keepaliveTime, keepaliveTimeout, streamTimeout],
        message: `${prefix}ORCHESTRATOR_PING_TIMEOUT_SECONDS ${isDeprecated}; its value is used for ${keepaliveTime}, ${keepaliveTimeout} and ${streamTimeout}. Set those instead.`,
      },
      {
        event: "setting.deprecated",
        setting: `${prefix}STALE_AUTH_SECONDS`,
        replacements: [`${prefix}AUTH_CACHE_STALE_IF_ERROR_SECONDS`],
        message: `${prefix}STALE_AUTH_SECONDS ${isDeprecated}; its value is used for ${prefix}AUTH_CACHE_STALE_IF_ERROR_SECONDS. Set that instead.`,
      },
    ]);
  });

  it("lose against a setting that replaces them, and the warning says so", () => {
    const { keepalive, messages } = parse({
      ORCHESTRATOR_PING_TIMEOUT_SECONDS: "1.5",
      ORCHESTRATOR_KEEPALIVE_TIMEOUT_SECONDS: "4",
      ORCHESTRATOR_KEEPALIVE_SECONDS: "14",
      [streamTime]: "15",
    });
    assert.deepEqual(keepalive, {
      calls: { timeMs: 1500, timeoutMs: 4000 },
      streams: { timeMs: 15_000, timeoutMs: 1500 },
    });
    assert.deepEqual(messages, [
      `${prefix}ORCHESTRATOR_PING_TIMEOUT_SECONDS ${isDeprecated}; its value is used for ${keepaliveTime} and ${streamTimeout}. Set those instead. ${keepaliveTimeout} is also set and takes precedence.`,
      `${prefix}ORCHESTRATOR_KEEPALIVE_SECONDS ${isDeprecated}; ${prefix}${streamTime} is also set and takes precedence.`,
    ]);
  });

  it("are not suggested for a misspelt name: the warning names those that replace them", () => {
    const { warnings } = parseSettings(
      environment({ STALE_AUTH_SECOND: "1", ORCHESTRATOR_PING_TIMEOUT: "1" }),
      readText,
    );
    assert.deepEqual(
      warnings.map(({ replacements, message }) => [replacements, message]),
      [
        [
          [`${prefix}AUTH_CACHE_STALE_IF_ERROR_SECONDS`],
          `${prefix}STALE_AUTH_SECOND is not a setting; did you mean ${prefix}AUTH_CACHE_STALE_IF_ERROR_SECONDS?`,
        ],
        [
          [keepaliveTime, keepaliveTimeout, streamTimeout],
          `${prefix}ORCHESTRATOR_PING_TIMEOUT is not a setting; did you mean ${keepaliveTime}, ${keepaliveTimeout} or ${streamTimeout}?`,
        ],
      ],
    );
  });

  it("count as not set if they are empty", () => {
    assert.deepEqual(parse({ ORCHESTRATOR_PING_TIMEOUT_SECONDS: "" }), parse({}));
  });

  it("are named in a violation, once", () => {
    assert.deepEqual(settingErrors({ ORCHESTRATOR_PING_TIMEOUT_SECONDS: "soon", [streamTime]: "0" }), [
      `${prefix}ORCHESTRATOR_PING_TIMEOUT_SECONDS must be a number of seconds`,
      `${prefix}${streamTime} must be at least 0.001`,
    ]);
  });
});
