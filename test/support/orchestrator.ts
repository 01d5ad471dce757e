import { createOrchestrator } from "../../src/orchestrator/client.ts";
import type { Orchestrator, OrchestratorOptions } from "../../src/orchestrator/client.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { suite } from "./gateway.ts";
import type { Upstream } from "./upstream.ts";

/** The gateway's connection to the orchestrators at `urls`; nobody reads its log. */
export function connectTo(urls: readonly string[], options: Partial<OrchestratorOptions> = {}): Orchestrator {
  return createOrchestrator(urls, { logger: createLogger({ write: () => undefined }), ...options });
}

/** For the body of a `describe`: the gateway's client of `upstream`, closed after its tests. */
export function clientSuite(upstream: () => Upstream) {
  const connection = suite(() => {
    const { client, close } = connectTo([upstream().url]);
    return Promise.resolve({ client, close: () => Promise.resolve(close()) });
  });
  return () => connection().client;
}
