import { createServer } from "node:http";
import express from "express";
import { closeServer, listen } from "./listen.ts";
import type { Metrics } from "./metrics.ts";
import type { Address } from "./settings.ts";

/** The server that Prometheus scrapes. */
export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the metrics at `/metrics`, and nothing else. */
export async function startMetricsServer(metrics: Metrics, address: Address): Promise<MetricsServer> {
  const app = express().disable("x-powered-by");
  app.get("/metrics", async function serveMetrics(_req, res) {
    res.setHeader("Content-Type", metrics.contentType);
    res.end(await metrics.render());
  });
  const server = createServer(app);
  const url = await listen(server, address, "METRICS_ADDR");
  return { url, close: () => closeServer(server) };
}
