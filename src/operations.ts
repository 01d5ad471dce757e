import type { Authenticator } from "./auth/authenticator.ts";
import type { ConsumeQuota } from "./auth/quota.ts";
import type { ObjectStore } from "./artifacts/object-store.ts";
import type { Handler, OperationId } from "./contract.ts";
import { downloadArtifact } from "./handlers/artifacts.ts";
import { streamWorkflowEvents } from "./handlers/events.ts";
import { healthz, metrics, readyz } from "./handlers/health.ts";
import {
  cancelWorkflow,
  getWorkflow,
  listWorkflows,
  retryWorkflow,
  submitWorkflow,
} from "./handlers/workflows.ts";
import type { OrchestratorClient } from "./orchestrator/client.ts";
import type { ProbeReadiness } from "./orchestrator/readiness.ts";
import type { Patience } from "./sse/follow-workflow.ts";
import type { OpenStreams } from "./sse/open-streams.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

/** Everything the handlers call. */
interface Services {
  readonly version: string;
  readonly orchestrator: OrchestratorClient;
  readonly probeReadiness: ProbeReadiness;
  readonly authenticator: Authenticator;
  readonly consumeQuota: ConsumeQuota;
  readonly bucket: string;
  readonly store: ObjectStore | undefined;
  readonly streams: OpenStreams;
  readonly patience: Patience;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A handler for each operation of the contract, no more and no less. */
export type Operations = { readonly [Op in OperationId]: Handler<Op> };

/** Builds the handlers. */
export function createOperations(services: Services): Operations {
  return {
    submitWorkflow: submitWorkflow(services),
    listWorkflows: listWorkflows(services),
    getWorkflow: getWorkflow(services),
    cancelWorkflow: cancelWorkflow(services),
    retryWorkflow: retryWorkflow(services),
    streamWorkflowEvents: streamWorkflowEvents(services),
    downloadArtifact: downloadArtifact(services),
    healthz: healthz(services.version),
    readyz: readyz(services.probeReadiness),
    metrics: metrics(services.metrics),
  };
}
