import { tooLargeBytes, withReadOptions } from "../grpc/index.ts";
import type { Logger } from "../telemetry/logger.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import { createCallOptions } from "./call-options.ts";
import type { OrchestratorClient } from "./client.ts";

/** Resolves to whether the orchestrator and its database respond in time. The reason for a failure is only logged. */
export type ProbeReadiness = (trace: TraceContext) => Promise<boolean>;

/** The largest workflow that a probe reads, in bytes. */
const readMaxBytes = 64 * 1024;

/** How long later probes share a result, in milliseconds. */
const reuseMs = 1000;

/**
 * Creates a probe that reads one workflow within `timeoutMs`: the smallest call that reaches the database. Probes share
 * the result of a probe that is running or ended less than a second ago. Only changes are logged. `now` is a monotonic
 * clock, in milliseconds.
 */
export function createReadinessProbe(
  client: OrchestratorClient,
  timeoutMs: number,
  logger: Logger,
  now = () => performance.now(),
): ProbeReadiness {
  let shared: Promise<boolean> | undefined;
  let freshUntil = 0;
  let wasReady = true;

  async function readWorkflow(trace: TraceContext): Promise<void> {
    const options = createCallOptions({ trace }, { timeoutMs });
    const contextValues = withReadOptions({ readMaxBytes }, options.contextValues);
    try {
      const page = await client.listWorkflows({ pageSize: 1 }, { ...options, contextValues });
      page[Symbol.dispose]();
    } catch (error) {
      // A workflow over the limit is a response too.
      if (tooLargeBytes(error) === undefined) throw error;
    }
  }

  async function probe(trace: TraceContext): Promise<boolean> {
    const before = wasReady;
    try {
      await readWorkflow(trace);
      wasReady = true;
      if (!before)
        logger.info({ event: "readiness.recovered", ...traceFields(trace) }, "readiness.recovered");
    } catch (err) {
      wasReady = false;
      if (before) logger.warn({ event: "readiness.lost", ...traceFields(trace), err }, "readiness.lost");
    }
    freshUntil = now() + reuseMs;
    return wasReady;
  }

  return function probeReadiness(trace) {
    if (shared === undefined || now() >= freshUntil) {
      freshUntil = Infinity;
      shared = probe(trace);
    }
    return shared;
  };
}
