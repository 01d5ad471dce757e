import { collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** Those that look at each connection whenever they are read, which anybody may ask for; some are misnamed too. */
const dear = /^(?:nodejs_active_.*|process_open_fds)$/;

/**
 * Creates a registry with the metrics of the process. What feeds them watches the process to its end: only the main
 * program makes one. `version` is the gateway's, `nodeVersion` that of Node.
 */
export function createProcessRegistry(version: string, nodeVersion: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) if (dear.test(name)) registry.removeSingleMetric(name);
  new Gauge({
    name: "foldforge_gateway_build_info",
    help: "Always 1; its labels tell the versions of the gateway and of Node.",
    labelNames: ["version", "node_version"],
    registers: [registry],
  }).set({ version, node_version: nodeVersion }, 1);
  return registry;
}
