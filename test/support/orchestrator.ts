import { createOrchestrator } from "../../src/orchestrator/client.ts";
import { suite } from "./gateway.ts";
import type { Upstream } from "./upstream.ts";

/** For the body of a `describe`: the gateway's client of `upstream`, closed after its tests. */
export function clientSuite(upstream: () => Upstream) {
  const connection = suite(() => {
    const { client, close } = createOrchestrator(upstream().url);
    return Promise.resolve({ client, close: () => Promise.resolve(close()) });
  });
  return () => connection().client;
}
