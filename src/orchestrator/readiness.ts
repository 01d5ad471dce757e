import type { Logger } from "../telemetry/logger.ts";
import type { TraceContext } from "../telemetry/trace-context.ts";
import type { OrchestratorClient } from "./client.ts";
import { traceFields } from "../telemetry/trace-context.ts";
import { readingContext } from "../grpc/transport.ts";
import { outgoingMetadata } from "./metadata.ts";
import { tooLargeBytes } from "../grpc/too-large.ts";

/** Whether the orchestrator and its database answer in time. Why they do not is only logged. */
export type ProbeReadiness = (trace: TraceContext) => Promise<boolean>;

/** A probe reads no more than this of a workflow, in bytes. */
const contextValues = readingContext({ readMaxBytes: 64 * 1024 });

/** That the newest workflow is larger is an answer too. */
function unlessTooLarge(error: unknown): void {
  if (tooLargeBytes(error) === undefined) throw error;
}

/** How long a result serves other probes too, in milliseconds. */
const reuseMs = 1000;

/**
 * A probe that reads one workflow, within `timeoutMs`: the smallest call that reaches the database. Whoever
 * asks while it runs, or in the second after it, shares its result. Only changes are logged. `now` is in
 * milliseconds, on a clock that never goes back.
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

  async function probe(trace: TraceContext): Promise<boolean> {
    const before = wasReady;
    try {
      await client
        .listWorkflows({ pageSize: 1 }, { timeoutMs, headers: outgoingMetadata(trace), contextValues })
        .then((page) => page[Symbol.dispose](), unlessTooLarge);
      wasReady = true;
      if (!before) logger.info({ event: "readiness.regained", ...traceFields(trace) }, "readiness.regained");
    } catch (error) {
      wasReady = false;
      if (before)
        logger.warn({ event: "readiness.lost", ...traceFields(trace), err: error }, "readiness.lost");
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
