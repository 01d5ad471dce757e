import type { RequestListener } from "node:http";
import { startServer } from "../../src/http/server.ts";
import type { ServerLimits } from "../../src/http/server.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

/** Limits that no test reaches unless it sets its own. */
const generous: ServerLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 75_000,
  stallTimeoutMs: 30_000,
  maxConnections: 1000,
};

/** Serves `app` as the gateway does, within these limits. */
export function serve(app: RequestListener, limits: Partial<ServerLimits> = {}, port = 0) {
  return startServer(app, {
    bind: { host: "127.0.0.1", port },
    limits: { ...generous, ...limits },
    logger: createLogger({ write: () => undefined }),
    metrics: createMetrics(),
  });
}
