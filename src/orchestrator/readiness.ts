import type { Logger } from "../telemetry/logger.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import type { OrchestratorClient } from "./client.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import { outgoingMetadata } from "./metadata.ts";

/** Whether the orchestrator and its database answer in time. Why they do not is only logged. */
export type ProbeReadiness = (trace: TraceContext) => Promise<boolean>;

/** A probe that reads one workflow, within `timeoutMs`: the smallest call that reaches the database. */
export function createReadinessProbe(
  client: OrchestratorClient,
  timeoutMs: number,
  logger: Logger,
): ProbeReadiness {
  return async function probeReadiness(trace) {
    try {
      await client.listWorkflows({ pageSize: 1 }, { timeoutMs, headers: outgoingMetadata(trace) });
      return true;
    } catch (error) {
      logger.warn({ event: "readiness.lost", ...traceFields(trace), err: error }, "readiness.lost");
      return false;
    }
  };
}
