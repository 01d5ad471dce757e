import type { Handler } from "../contract.ts";
import type { ProbeReadiness } from "../orchestrator/readiness.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Serves `healthz`; calls nothing. */
export function healthz(version: string): Handler<"healthz"> {
  return function healthz(_req, res) {
    res.json({ status: "ok", version });
  };
}

/** Serves `readyz`. */
export function readyz(probeReadiness: ProbeReadiness): Handler<"readyz"> {
  return async function readyz(_req, res) {
    const isReady = await probeReadiness(res.locals.trace);
    if (isReady) res.json({ status: "ready" });
    else res.status(503).set("Retry-After", "2").json({ status: "unavailable" });
  };
}

/** Serves `metrics`. */
export function metrics(source: Metrics): Handler<"metrics"> {
  return async function metrics(_req, res) {
    const text = await source.render();
    res.type(source.contentType);
    res.end(text);
  };
}
