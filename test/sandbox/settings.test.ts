import assert from "node:assert/strict";
import { parseSettings, SettingsError } from "../../src/sandbox/settings.ts";

const prefixed = (values: Record<string, string>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`FOLDFORGE_SANDBOX__${name}`, value]));

function faultsOf(values: Record<string, string>): string {
  try {
    parseSettings(prefixed(values));
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error.message;
  }
  return assert.fail("the settings were accepted");
}

describe("parseSettings", () => {
  it("has defaults for everything, and takes an empty value for none", () => {
    const expected = {
      orchestratorAddr: { host: "127.0.0.1", port: 50051 },
      objectStoreAddr: { host: "127.0.0.1", port: 9000 },
      metricsAddr: { host: "127.0.0.1", port: 9465 },
      apiKeys: [
        { principal: "demo", key: "ff-demo-key", limit: 0, windowSeconds: 3600, credits: undefined },
        { principal: "demo-small", key: "ff-small-key", limit: 3, windowSeconds: 3600, credits: undefined },
        { principal: "demo-buyer", key: "ff-buyer-key", limit: 0, windowSeconds: 3600, credits: 20n },
      ],
      stripe: {
        addr: { host: "127.0.0.1", port: 12111 },
        webhookUrl: "http://127.0.0.1:8080/v1/billing/webhook",
        webhookSecret: "whsec_sandbox",
      },
      stepSeconds: 2,
      pricePerStep: 10n,
      openingCredits: 100_000n,
      s3: undefined,
    };
    assert.deepEqual(parseSettings({ PATH: "/bin" }), { settings: expected, unknownNames: [] });
    assert.deepEqual(parseSettings(prefixed({ API_KEYS: "", STEP_SECONDS: "" })).settings, expected);
  });

  it("reads every setting", () => {
    const { settings } = parseSettings(
      prefixed({
        ORCHESTRATOR_ADDR: "0.0.0.0:0",
        OBJECT_STORE_ADDR: "[::1]:9001",
        METRICS_ADDR: "0.0.0.0:9466",
        API_KEYS: "a:k1, b:k2:5 ,c:k3:7:60,d:k4:0:60:5",
        STEP_SECONDS: "0.25",
        PRICE_PER_STEP: "0",
        OPENING_CREDITS: "25",
        STRIPE_ADDR: "127.0.0.1:0",
        STRIPE_WEBHOOK_URL: "https://gateway.example/hook",
        STRIPE_WEBHOOK_SECRET: "whsec_a1/+=",
        S3_ENDPOINT: "http://127.0.0.1:9000",
        S3_REGION: "eu",
        S3_BUCKET: "designs",
        S3_ACCESS_KEY_ID: "id",
        S3_SECRET_ACCESS_KEY: "secret",
      }),
    );
    assert.deepEqual(settings, {
      orchestratorAddr: { host: "0.0.0.0", port: 0 },
      objectStoreAddr: { host: "::1", port: 9001 },
      metricsAddr: { host: "0.0.0.0", port: 9466 },
      apiKeys: [
        { principal: "a", key: "k1", limit: 0, windowSeconds: 3600, credits: undefined },
        { principal: "b", key: "k2", limit: 5, windowSeconds: 3600, credits: undefined },
        { principal: "c", key: "k3", limit: 7, windowSeconds: 60, credits: undefined },
        { principal: "d", key: "k4", limit: 0, windowSeconds: 60, credits: 5n },
      ],
      stripe: {
        addr: { host: "127.0.0.1", port: 0 },
        webhookUrl: "https://gateway.example/hook",
        webhookSecret: "whsec_a1/+=",
      },
      stepSeconds: 0.25,
      pricePerStep: 0n,
      openingCredits: 25n,
      s3: {
        endpoint: "http://127.0.0.1:9000",
        region: "eu",
        bucket: "designs",
        accessKeyId: "id",
        secretAccessKey: "secret",
      },
    });
  });

  it("has defaults for an S3 server, and wants its credentials", () => {
    const server = {
      S3_ENDPOINT: "https://s3.example",
      S3_ACCESS_KEY_ID: "id",
      S3_SECRET_ACCESS_KEY: "secret",
    };
    const { s3 } = parseSettings(prefixed(server)).settings;
    assert.deepEqual([s3?.region, s3?.bucket], ["auto", "foldforge"]);
    for (const name of ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"])
      assert.match(
        faultsOf({ ...server, [name]: "" }),
        new RegExp(`__${name}: must be set, since S3_ENDPOINT is`),
      );
    assert.match(
      faultsOf({ S3_ENDPOINT: "s3.example:9000" }),
      /__S3_ENDPOINT: must be an http:\/\/ or https:\/\/ URL/,
    );
  });

  it("lists every violation in one message, without any key", () => {
    const message = faultsOf({
      ORCHESTRATOR_ADDR: "127.0.0.1",
      OBJECT_STORE_ADDR: "127.0.0.1:70000",
      API_KEYS: "a:s3cret,b,c:s3cret,d:other-s3cret:few,e:s3cret-5:1:0,f:s3cret-6:1:1:1:1",
      STEP_SECONDS: "-1",
      PRICE_PER_STEP: "0.5",
      OPENING_CREDITS: "1e5",
      STRIPE_WEBHOOK_URL: "gateway",
      STRIPE_WEBHOOK_SECRET: "s3cret",
    });
    assert.match(message, /__ORCHESTRATOR_ADDR: must be host:port/);
    assert.match(message, /__OBJECT_STORE_ADDR: must have a port of at most 65535/);
    assert.match(message, /__API_KEYS: entry 2 must be principal:key/);
    assert.match(message, /__API_KEYS: entry 3 repeats the key/);
    for (const entry of [4, 5, 6]) assert.match(message, new RegExp(`__API_KEYS: entry ${entry} must be`));
    assert.match(message, /__STEP_SECONDS: must be a number of seconds/);
    assert.match(message, /__PRICE_PER_STEP: must be a whole number of credits/);
    assert.match(message, /__OPENING_CREDITS: must be a whole number of credits/);
    assert.match(message, /__STRIPE_WEBHOOK_URL: must be an http:/);
    assert.match(message, /__STRIPE_WEBHOOK_SECRET: must be whsec_/);
    assert.doesNotMatch(message, /s3cret/);
  });

  for (const seconds of ["two", "1e3", "0x1", "Infinity", " 1", ".5"])
    it(`rejects ${JSON.stringify(seconds)} seconds`, () => {
      assert.match(faultsOf({ STEP_SECONDS: seconds }), /STEP_SECONDS/);
    });

  it("lists unknown settings", () => {
    const { unknownNames } = parseSettings(prefixed({ STEP_SECOND: "1", toString: "x" }));
    assert.deepEqual(unknownNames, ["FOLDFORGE_SANDBOX__STEP_SECOND", "FOLDFORGE_SANDBOX__toString"]);
  });
});
