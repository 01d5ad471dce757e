import type { SandboxSettings } from "../../src/sandbox/settings.ts";
import type { Sandbox } from "../../src/sandbox/start-sandbox.ts";
import type { TestSettings } from "./gateway.ts";

/** A sandbox on free ports whose steps take no time, with two tenants and one who may submit twice. */
export const sandboxSettings: SandboxSettings = {
  orchestratorAddr: { host: "127.0.0.1", port: 0 },
  objectStoreAddr: { host: "127.0.0.1", port: 0 },
  apiKeys: [
    { principal: "alice", key: "alice-key", limit: 0, windowSeconds: 3600 },
    { principal: "bob", key: "bob-key", limit: 0, windowSeconds: 3600 },
    { principal: "carol", key: "carol-key", limit: 2, windowSeconds: 3600 },
  ],
  stepSeconds: 0,
};

/** Settings that put a gateway in front of the sandbox. */
export function settingsFor({ orchestratorUrl, objectStoreUrl, bucket }: Sandbox): TestSettings {
  return {
    ORCHESTRATOR_ENDPOINT: orchestratorUrl,
    API_KEYS_ENABLED: "true",
    R2_ENDPOINT: objectStoreUrl,
    R2_BUCKET: bucket,
    R2_ACCESS_KEY_ID: "any",
    R2_SECRET_ACCESS_KEY: "any",
  };
}
