import type { Socket } from "node:net";
import type { Authenticator } from "./auth/authenticator.ts";
import type { ConsumeQuota } from "./auth/quota.ts";
import type { OpenCheckout } from "./billing/checkout.ts";
import type { ObjectStore } from "./artifacts/object-store.ts";
import type { Handler, OperationId } from "./contract.ts";
import { downloadArtifact, listArtifacts } from "./handlers/artifacts.ts";
import { createCheckout, getBalance, listLedger, stripeWebhook } from "./handlers/billing.ts";
import { streamWorkflowEvents } from "./handlers/events.ts";
import { healthz, metrics, readyz } from "./handlers/health.ts";
import { getDocs, getDocsFile, getOpenapiJson, getOpenapiYaml } from "./handlers/docs.ts";
import { rankDesigns } from "./handlers/ranking.ts";
import {
  cancelWorkflow,
  getWorkflow,
  listWorkflows,
  retryWorkflow,
  submitWorkflow,
  validateWorkflow,
} from "./handlers/workflows.ts";
import type { OrchestratorClient } from "./orchestrator/client.ts";
import type { MessageMemory } from "./grpc/index.ts";
import type { Transcoders } from "./mapping/workflow.ts";
import type { ProbeReadiness } from "./orchestrator/readiness.ts";
import type { Docs } from "./docs/docs.ts";
import type { Settings } from "./settings/settings.ts";
import type { RetryPolicy } from "./events/retry-policy.ts";
import type { StreamRegistry } from "./events/stream-registry.ts";
import type { TaskQueue } from "./load-shedding/task-queue.ts";
import type { Audit } from "./telemetry/audit.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import type { WriteJson } from "./http/write-json.ts";

/** What the handlers need. */
interface Services {
  readonly version: string;
  readonly docs: Docs;
  readonly orchestrator: OrchestratorClient;
  readonly probeReadiness: ProbeReadiness;
  readonly authenticator: Authenticator;
  readonly consumeQuota: ConsumeQuota;
  readonly bucket: string;
  readonly store: ObjectStore | undefined;
  readonly streams: StreamRegistry;
  readonly searchMemory: MessageMemory;
  readonly retryPolicy: RetryPolicy;
  readonly tasks: TaskQueue;
  readonly writeJson: WriteJson;
  readonly transcoders: Transcoders;
  readonly trackBuffered: (socket: Socket) => void;
  readonly maxRequestBytes: number;
  readonly maxPageBytes: number;
  readonly pricePerStep: number | undefined;
  readonly openCheckout: OpenCheckout | undefined;
  readonly stripe: Settings["stripe"];
  readonly logger: Logger;
  readonly audit: Audit;
  readonly metrics: Metrics;
}

/** A handler for every operation of the contract. */
export type Operations = { readonly [Op in OperationId]: Handler<Op> };

export function createOperations(services: Services): Operations {
  return {
    submitWorkflow: submitWorkflow(services),
    validateWorkflow: validateWorkflow(services),
    listWorkflows: listWorkflows(services),
    getWorkflow: getWorkflow(services),
    cancelWorkflow: cancelWorkflow(services),
    retryWorkflow: retryWorkflow(services),
    rankDesigns: rankDesigns(services),
    streamWorkflowEvents: streamWorkflowEvents(services),
    listArtifacts: listArtifacts(services),
    downloadArtifact: downloadArtifact(services),
    getBalance: getBalance(services),
    listLedger: listLedger(services),
    createCheckout: createCheckout(services),
    stripeWebhook: stripeWebhook(services),
    getOpenapiYaml: getOpenapiYaml(services.docs),
    getOpenapiJson: getOpenapiJson(services.docs),
    getDocs: getDocs(services.docs),
    getDocsFile: getDocsFile(services.docs),
    healthz: healthz(services.version),
    readyz: readyz(services.probeReadiness),
    metrics: metrics(services.metrics),
  };
}
