import type { S3Settings, SandboxSettings } from "../../src/sandbox/settings.ts";
import type { Sandbox } from "../../src/sandbox/start-sandbox.ts";
import type { TestSettings } from "./gateway.ts";
import { s3Settings } from "./s3-servers.ts";

/**
 * A sandbox on free ports whose steps take no time and cost 10 credits, with two tenants and a third one with a quota of
 * 2.
 */
export const sandboxSettings: SandboxSettings = {
  orchestratorAddr: { host: "127.0.0.1", port: 0 },
  objectStoreAddr: { host: "127.0.0.1", port: 0 },
  metricsAddr: { host: "127.0.0.1", port: 0 },
  stripe: {
    addr: { host: "127.0.0.1", port: 0 },
    webhookUrl: "http://127.0.0.1:9/",
    webhookSecret: "whsec_tests",
  },
  apiKeys: [
    { principal: "alice", key: "alice-key", limit: 0, windowSeconds: 3600 },
    { principal: "bob", key: "bob-key", limit: 0, windowSeconds: 3600 },
    { principal: "carol", key: "carol-key", limit: 2, windowSeconds: 3600 },
  ],
  stepSeconds: 0,
  pricePerStep: 10n,
  openingCredits: 100_000n,
  s3: undefined,
};

/** Settings for a gateway before the sandbox and its S3 server. */
export function settingsFor(sandbox: Sandbox, s3?: S3Settings): TestSettings {
  const { orchestratorUrl, objectStoreUrl: endpoint, bucket } = sandbox;
  const own = { endpoint, region: "auto", bucket, accessKeyId: "any", secretAccessKey: "any" };
  return { ORCHESTRATOR_ENDPOINT: orchestratorUrl, API_KEYS_ENABLED: "true", ...s3Settings(s3 ?? own) };
}
