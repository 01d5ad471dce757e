import assert from "node:assert/strict";
import { gatewayEnvironment } from "../../src/sandbox/dev-environment.ts";
import { testSettings } from "./support.ts";

const urls = {
  orchestrator: "http://0.0.0.0:1001",
  objectStore: "http://127.0.0.1:1002",
  stripe: "http://[::]:1003",
};

/** The settings of the gateway, without the prefix. */
function settingsWith(env: Record<string, string>): Record<string, string | undefined> {
  const prefix = "FOLDFORGE_GATEWAY__";
  const given = Object.fromEntries(Object.entries(env).map(([name, value]) => [prefix + name, value]));
  const all = gatewayEnvironment({ PATH: "/bin", ...given }, urls, testSettings, "json");
  assert.equal(all["PATH"], "/bin");
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name.replace(prefix, ""), value]));
}

/** What is set for Stripe. */
function stripeOf(settings: Record<string, string | undefined>) {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => name.startsWith("STRIPE_")));
}

describe("gatewayEnvironment", () => {
  it("leads the gateway to the sandbox, by addresses that one can connect to", () => {
    const settings = settingsWith({});
    assert.equal(settings["ORCHESTRATOR_ENDPOINT"], "http://127.0.0.1:1001");
    assert.equal(settings["R2_ENDPOINT"], "http://127.0.0.1:1002");
    assert.equal(settings["PRICE_PER_STEP"], String(testSettings.pricePerStep));
    assert.deepEqual(stripeOf(settings), {
      STRIPE_SECRET_KEY: "sk_test_sandbox",
      STRIPE_WEBHOOK_SECRET: testSettings.stripe.webhookSecret,
      STRIPE_ENDPOINT: "http://[::1]:1003",
    });
  });

  it("keeps what is set, by value or by file, and takes an empty value for none", () => {
    const settings = settingsWith({ PRICE_PER_STEP: "7", R2_ACCESS_KEY_ID_FILE: "/id", BIND_ADDR: "" });
    assert.equal(settings["PRICE_PER_STEP"], "7");
    assert.equal(settings["R2_ACCESS_KEY_ID"], undefined);
    assert.equal(settings["BIND_ADDR"], "127.0.0.1:8080");
  });

  for (const [name, value] of [
    ["STRIPE_SECRET_KEY", "sk_test_mine"],
    ["STRIPE_SECRET_KEY_FILE", "/key"],
    ["STRIPE_WEBHOOK_SECRET", "whsec_mine"],
    ["STRIPE_ENDPOINT", "https://api.stripe.com"],
  ] as const)
    it(`leaves Stripe to whoever sets ${name}`, () => {
      assert.deepEqual(stripeOf(settingsWith({ [name]: value, STRIPE_CURRENCY: "eur" })), {
        [name]: value,
        STRIPE_CURRENCY: "eur",
      });
    });
});
