import { createApiKeys, type ApiKeys } from "./api-keys.ts";
import { createBilling } from "./billing.ts";
import { createCallRecorder } from "./call-recorder.ts";
import { startMetricsServer } from "./metrics-server.ts";
import { createMetrics } from "./metrics.ts";
import { startObjectStore } from "./object-store.ts";
import { startOrchestratorServer } from "./orchestrator-server.ts";
import { createOrchestratorService } from "./orchestrator-service.ts";
import { createRunner } from "./runner.ts";
import { openS3Store } from "./s3-store.ts";
import type { SandboxSettings } from "./settings.ts";
import { startStripeServer } from "./stripe/stripe-server.ts";
import { tools } from "./tools/tools.ts";
import { createWorkflowStore } from "./workflow-store.ts";

/** A running orchestrator, object store and stand-in for Stripe. */
export interface Sandbox {
  readonly orchestratorUrl: string;
  /** Serves the orchestrator's metrics at /metrics. */
  readonly metricsUrl: string;
  readonly objectStoreUrl: string;
  readonly stripeUrl: string;
  /** The one bucket of the object store. */
  readonly bucket: string;
  readonly apiKeys: Pick<ApiKeys, "revoke">;
  /** How often each RPC was called, by its name. */
  readonly calls: ReadonlyMap<string, number>;
  /** The metadata of each RPC's latest call. */
  readonly lastMetadata: ReadonlyMap<string, Headers>;
  /** How many event streams are being served. */
  openStreams(): number;
  /** Destroys every connection to the orchestrator, as a crash would; workflows keep running. */
  dropConnections(): void;
  /** Stops all servers and removes the temporary folder; safe to call again. */
  close(): Promise<void>;
}

/**
 * Starts all servers; no object store where there is an S3 server. Rejects with a ListenError or a SettingsError, and
 * leaves nothing running.
 */
export async function startSandbox(
  settings: SandboxSettings,
  now: () => number = Date.now,
): Promise<Sandbox> {
  const { apiKeys: keySettings, stepSeconds, pricePerStep, openingCredits, s3 } = settings;
  await using cleanup = new AsyncDisposableStack();
  const objectStore =
    s3 === undefined ? await startObjectStore(settings.objectStoreAddr) : await openS3Store(s3);
  cleanup.defer(() => objectStore.close());

  const apiKeys = createApiKeys(keySettings, now);
  const accounts = keySettings.map(
    ({ principal, credits = openingCredits }) => [principal, credits] as const,
  );
  const billing = createBilling({ accounts: new Map(accounts), pricePerStep, now });
  const metrics = createMetrics([...tools.keys()]);
  const runner = createRunner({ tools, store: objectStore, billing, metrics, stepSeconds, now });
  cleanup.defer(() => runner.close());

  const workflows = createWorkflowStore(now);
  const service = createOrchestratorService({ tools, workflows, runner, apiKeys, billing, now });
  const recorder = createCallRecorder();
  const server = await startOrchestratorServer(service, recorder.interceptor, settings.orchestratorAddr);
  cleanup.defer(() => server.close());
  const metricsServer = await startMetricsServer(metrics, settings.metricsAddr);
  cleanup.defer(() => metricsServer.close());

  const stripe = await startStripeServer(settings.stripe, now);
  cleanup.defer(() => stripe.close());

  const resources = cleanup.move();
  let closed: Promise<void> | undefined;
  return {
    orchestratorUrl: server.url,
    metricsUrl: metricsServer.url,
    objectStoreUrl: objectStore.url,
    stripeUrl: stripe.url,
    bucket: objectStore.bucket,
    apiKeys,
    calls: recorder.calls,
    lastMetadata: recorder.lastMetadata,
    openStreams: () => recorder.openStreams,
    dropConnections: () => server.dropConnections(),
    close: () => (closed ??= resources.disposeAsync()),
  };
}
