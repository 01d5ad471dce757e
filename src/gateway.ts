import type { RequestListener } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Registry } from "prom-client";
import { createObjectStore } from "./artifacts/object-store.ts";
import { createPipeline } from "./http/pipeline.ts";
import type { PipelineOptions } from "./http/pipeline.ts";
import type { Middleware } from "./http/stages.ts";
import { createAuthenticator } from "./auth/authenticator.ts";
import { createApiKeyCache } from "./auth/api-key-cache.ts";
import { createApiKeyLookup } from "./auth/api-key-lookup.ts";
import { createQuota } from "./auth/quota.ts";
import type { Settings } from "./settings/settings.ts";
import { loadContract, withPaths } from "./contract.ts";
import type { Contract, Path } from "./contract.ts";
import { BufferedBytes } from "./load-shedding/buffered-bytes.ts";
import { ByteSemaphore } from "./load-shedding/byte-semaphore.ts";
import { KeyShares } from "./load-shedding/key-shares.ts";
import { LargeBodies, maxLargeBodies } from "./load-shedding/large-bodies.ts";
import { createLoadShedding } from "./load-shedding/load-shedding.ts";
import { createOperations } from "./operations.ts";
import { createOrchestrator } from "./orchestrator/client.ts";
import { measureCalls } from "./orchestrator/call-observers.ts";
import { createReadinessProbe } from "./orchestrator/readiness.ts";
import { watchCertificates } from "./settings/certificates.ts";
import { createDocs } from "./docs/docs.ts";
import { startServer } from "./http/server.ts";
import type { RunningServer, ServerLimits } from "./http/server.ts";
import { defaultRetryPolicy } from "./events/retry-policy.ts";
import type { RetryPolicy } from "./events/retry-policy.ts";
import { defaultStreamIntervals, StreamRegistry } from "./events/stream-registry.ts";
import type { StreamIntervals } from "./events/stream-registry.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import type { SharedLimit } from "./telemetry/metrics.ts";
import type { Logger } from "./telemetry/logger.ts";
import { TaskQueue } from "./load-shedding/task-queue.ts";
import { startTracing } from "./telemetry/tracing.ts";
import { createWriteJson } from "./http/write-json.ts";

/** A gateway that is serving. */
export interface Gateway {
  readonly url: string;
  /** Where `/metrics` is served alone; undefined where it is served among the other routes. */
  readonly metricsUrl: string | undefined;
  /** Serves on for the configured delay, unready, so that load balancers look away; then closes. */
  drain(): Promise<void>;
  /**
   * Cuts the event streams, lets other requests finish, and lets go of everything, all within `graceMs`: the
   * configured grace, unless it says otherwise.
   */
  close(graceMs?: number): Promise<void>;
}

/** A server that cannot listen, for the reason that is its cause, at the address that `setting` holds. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly setting: "BIND_ADDR" | "METRICS_ADDR";

  constructor(setting: ListenError["setting"], cause: unknown) {
    super(`${setting} cannot be listened at`, { cause });
    this.setting = setting;
  }
}

/** Most connections of those who read metrics at an address of their own: some Prometheus servers and a person. */
const maxMetricsConnections = 16;

/** Whether a path is that of the metrics. */
function isMetrics({ operations }: Path): boolean {
  return operations.some(({ id }) => id === "metrics");
}

/** How much of a grace is left for letting go, once the last requests are cut, in milliseconds. */
function reserveOf(graceMs: number): number {
  return Math.min(500, graceMs / 10);
}

/** Longest wait for spans that are still to be exported, in milliseconds: a collector that is down is not waited for. */
const maxFlushMs = 3000;

/** The largest message that is received, and the largest page of workflows, in bytes: of little memory, a share. */
const maxMessageBytes = 64 * 1024 * 1024;
const maxPageBytes = 16 * 1024 * 1024;
const messageShare = 1 / 2;
const pageShare = 1 / 8;

/** How much more memory there is for JSON that is written and not yet sent; a larger one is alone. */
const textShare = 1 / 4;

/** How much more memory there is for the searches that streams make, which hold an event meanwhile. */
const searchShare = 1 / 8;

/** What a test may set and a deployment may not, but for the registry. */
export interface GatewayOptions {
  /** Where its metrics go, beside those of the process; else only its own are served. */
  readonly registry?: Registry;
  /** More stages of every operation, before its validation. */
  readonly operationStages?: (contract: Contract) => readonly Middleware[];
  /** In the place of the one in force. */
  readonly contract?: Contract;
  /** A monotonic clock in milliseconds, for the API-key cache and readiness. */
  readonly now?: () => number;
  readonly streamIntervals?: StreamIntervals;
  readonly retryPolicy?: RetryPolicy;
}

/** Builds the whole gateway and starts to serve; rejects, leaving nothing behind, when it cannot. */
export async function startGateway(
  settings: Settings,
  logger: Logger,
  options: GatewayOptions = {},
): Promise<Gateway> {
  const { rpcTimeoutMs, apiKeys } = settings;
  const whole = options.contract ?? loadContract();
  const contract = settings.metricsBind === undefined ? whole : withPaths(whole, (path) => !isMetrics(path));
  const { version } = contract.document.info;
  const tracing =
    settings.tracing && (await startTracing(settings.tracing, { ...settings, version }, logger));
  const metrics = createMetrics(options.registry);
  const { maxBufferedBytes } = settings;
  const buffered = new BufferedBytes({
    limit: maxBufferedBytes,
    stallTimeoutMs: settings.server.stallTimeoutMs,
    onSlowClientDisconnected: metrics.countSlowClientDisconnected,
  });
  // Before the connections to orchestrators: it throws where the file has gone.
  const storeTls =
    settings.objectStoreTls && watchCertificates(settings.objectStoreTls, { server: "object_store", logger });
  const orchestrator = createOrchestrator(settings.orchestratorEndpoints, {
    memory: buffered,
    readMaxBytes: Math.min(maxMessageBytes, messageShare * maxBufferedBytes),
    keepalive: settings.keepalive,
    tls: settings.orchestratorTls,
    logger,
    observers: [measureCalls(metrics.observeGrpcCall)],
    startCallSpan: tracing?.startCallSpan,
    onKeepaliveRejected: metrics.countKeepaliveRejected,
  });
  const { client } = orchestrator;
  const { maxSharePerKey: share, maxEventStreams, objectStore } = settings;
  const { countOverShare } = metrics;
  const createKeyShares = (of: SharedLimit, limit: () => number) =>
    new KeyShares({ of, limit, share, countOverShare });
  const store =
    objectStore &&
    createObjectStore(
      objectStore,
      createKeyShares("downloads", () => objectStore.maxDownloads),
      tracing?.observeDownload,
      storeTls?.secureContext,
    );
  const streams = new StreamRegistry(
    options.streamIntervals ?? defaultStreamIntervals,
    maxEventStreams,
    createKeyShares("event_streams", () => maxEventStreams),
  );
  const tasks = new TaskQueue();
  const largeBodies = new LargeBodies(createKeyShares("requests_with_body", () => maxLargeBodies));
  const apiKeyCache =
    apiKeys === undefined
      ? undefined
      : createApiKeyCache(createApiKeyLookup(client, rpcTimeoutMs), {
          ...apiKeys,
          logger,
          count: metrics.countKeyLookup,
          ...(options.now === undefined ? {} : { now: options.now }),
        });
  const authenticator = createAuthenticator(settings.apiTokens, apiKeyCache);
  const probeReadiness = createReadinessProbe(client, rpcTimeoutMs, logger, options.now);
  const shedding = createLoadShedding({
    maxInFlight: settings.maxRequestsInFlight,
    createKeyShares,
    logger,
    metrics,
  });
  let isDraining = false;
  const operations = createOperations({
    version,
    reference: createDocs(contract),
    orchestrator: client,
    // Nor is it ready where it has begun to drain while it was asking.
    probeReadiness: async (trace) => !isDraining && (await probeReadiness(trace)) && !isDraining,
    authenticator,
    consumeQuota: createQuota(client, authenticator),
    bucket: settings.bucket,
    store,
    streams,
    searchMemory: new ByteSemaphore(searchShare * maxBufferedBytes),
    retryPolicy: options.retryPolicy ?? defaultRetryPolicy,
    tasks,
    writeJson: createWriteJson(tasks, new ByteSemaphore(textShare * maxBufferedBytes), logger),
    noteBuffered: (socket) => buffered.track(socket),
    maxRequestBytes: settings.maxRequestBytes,
    maxPageBytes: Math.min(maxPageBytes, pageShare * maxBufferedBytes),
    suspend: shedding.suspend,
    logger,
    metrics,
  });
  const pipelineOf = (contract: Contract, open: Pick<PipelineOptions, "shed" | "allowedOrigins">) =>
    createPipeline({
      ...open,
      startSpan: tracing?.startRequestSpan,
      contract,
      operations,
      authenticator,
      acquireShare: shedding.acquireShare,
      logger,
      metrics,
      rpcTimeoutMs,
      largeBodies,
      tasks,
      operationStages: options.operationStages?.(contract),
    });
  const pipeline = pipelineOf(contract, { shed: shedding.shed, allowedOrigins: settings.allowedOrigins });

  async function letGo(withinMs: number): Promise<void> {
    orchestrator.close();
    store?.close();
    storeTls?.close();
    await tracing?.close(Math.min(maxFlushMs, withinMs));
  }

  async function serve(
    listener: RequestListener,
    setting: ListenError["setting"],
    bind: Settings["bind"],
    limits: ServerLimits,
  ): Promise<RunningServer> {
    try {
      return await startServer(listener, { bind, limits, buffered, logger, metrics });
    } catch (error) {
      await metricsServer?.close(0);
      await letGo(0);
      throw new ListenError(setting, error);
    }
  }

  let metricsServer: RunningServer | undefined;
  if (settings.metricsBind !== undefined) {
    const limits = { ...settings.server, maxConnections: maxMetricsConnections };
    metricsServer = await serve(
      pipelineOf(withPaths(whole, isMetrics), { shed: undefined, allowedOrigins: undefined }),
      "METRICS_ADDR",
      settings.metricsBind,
      limits,
    );
  }
  const server = await serve(pipeline, "BIND_ADDR", settings.bind, settings.server);
  const servers = metricsServer === undefined ? [server] : [server, metricsServer];
  metrics.watch({
    connections: () => server.connections,
    connectionsLimit: settings.server.maxConnections,
    requestsInFlight: shedding.inFlight,
    requestsInFlightLimit: shedding.limit,
    eventStreams: () => streams.count,
    eventStreamsLimit: maxEventStreams,
    downloads: () => store?.downloadCount ?? 0,
    downloadsLimit: objectStore?.maxDownloads ?? 0,
    apiKeyCacheEntries: () => apiKeyCache?.size() ?? { allowed: 0, denied: 0 },
    bufferedBytes: () => buffered.memory.used,
    bufferedBytesLimit: maxBufferedBytes,
    subchannels: () => orchestrator.count().all,
    readySubchannels: () => orchestrator.count().ready,
  });

  async function close(graceMs = settings.shutdownGraceMs, reserveMs = reserveOf(graceMs)): Promise<void> {
    const end = performance.now() + graceMs - reserveMs / 2;
    const withinMs = Math.max(0, graceMs - reserveMs);
    const closed = servers.map((each) => each.close(withinMs));
    streams.close();
    await Promise.all(closed);
    await letGo(end - performance.now());
  }

  return {
    url: server.url,
    metricsUrl: metricsServer?.url,
    async drain() {
      isDraining = true;
      server.drain();
      await delay(settings.drainDelayMs);
      await close(settings.shutdownGraceMs - settings.drainDelayMs, reserveOf(settings.shutdownGraceMs));
    },
    close: (graceMs) => close(graceMs),
  };
}
