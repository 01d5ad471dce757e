import { Code } from "@connectrpc/connect";
import type { Handler } from "../contract.ts";
import { retryHeaders } from "../errors/codes.ts";
import { sendJson } from "../http/json-response.ts";
import type { ProbeReadiness } from "../orchestrator/readiness.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Responds without a call to the orchestrator. */
export function healthz(version: string): Handler<"healthz"> {
  return function healthz(_req, res) {
    return sendJson(res, { status: "ok", version });
  };
}

export function readyz(probeReadiness: ProbeReadiness): Handler<"readyz"> {
  return async function readyz(_req, res) {
    const isReady = await probeReadiness(res.locals.trace);
    if (isReady) return sendJson(res, { status: "ready" });
    return sendJson(res.status(503).set(retryHeaders(Code.Unavailable)), { status: "unavailable" });
  };
}

export function metrics(source: Metrics): Handler<"metrics"> {
  return async function metrics(_req, res) {
    const text = await source.render();
    res.type(source.contentType);
    res.end(text);
  };
}
