import { collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** Metrics that visit each open connection whenever anybody reads them, and have misleading names too. */
const expensive = /^(?:nodejs_active_.*|process_open_fds)$/;

/**
 * Creates a registry with the metrics of the process. Their collectors run until the process exits, so only the main
 * program calls this. `version` is the gateway's, `nodeVersion` Node's.
 */
export function createProcessRegistry(version: string, nodeVersion: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray())
    if (expensive.test(name)) registry.removeSingleMetric(name);
  new Gauge({
    name: "foldforge_gateway_build_info",
    help: "Always 1, with the versions of the gateway and of Node as labels.",
    labelNames: ["version", "node_version"],
    registers: [registry],
  }).set({ version, node_version: nodeVersion }, 1);
  return registry;
}
