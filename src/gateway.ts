import type { Registry } from "prom-client";
import { createApiKeyCache } from "./auth/api-key-cache.ts";
import { createApiKeyLookup } from "./auth/api-key-lookup.ts";
import { createAuthenticator } from "./auth/authenticator.ts";
import { createQuota } from "./auth/quota.ts";
import { loadContract, withPaths } from "./contract.ts";
import type { Contract, Path } from "./contract.ts";
import { createDocs } from "./docs/docs.ts";
import { defaultRetryPolicy } from "./events/retry-policy.ts";
import type { RetryPolicy } from "./events/retry-policy.ts";
import { defaultStreamIntervals, StreamRegistry } from "./events/stream-registry.ts";
import type { StreamIntervals } from "./events/stream-registry.ts";
import { createFindClient } from "./http/client.ts";
import { createPipeline } from "./http/pipeline.ts";
import type { Pipeline, PipelineOptions } from "./http/pipeline.ts";
import { startServer } from "./http/server.ts";
import type { RunningServer, ServerLimits } from "./http/server.ts";
import type { Middleware } from "./http/stages.ts";
import { createWriteJson } from "./http/write-json.ts";
import { BufferedBytes } from "./load-shedding/buffered-bytes.ts";
import { importNodeConnection } from "./grpc/index.ts";
import { ByteSemaphore } from "./load-shedding/byte-semaphore.ts";
import { KeyShares } from "./load-shedding/key-shares.ts";
import { LargeBodies, maxLargeBodies } from "./load-shedding/large-bodies.ts";
import { createLoadShedding } from "./load-shedding/load-shedding.ts";
import { TaskQueue } from "./load-shedding/task-queue.ts";
import { createOperations } from "./operations.ts";
import { createTranscoders } from "./mapping/workflow.ts";
import { measureCalls } from "./orchestrator/measure-calls.ts";
import { createOrchestrator } from "./orchestrator/client.ts";
import { createReadinessProbe } from "./orchestrator/readiness.ts";
import { watchCertificates } from "./settings/certificates.ts";
import type { Settings } from "./settings/settings.ts";
import { createShutdown } from "./shutdown.ts";
import type { Shutdown } from "./shutdown.ts";
import { createAudit } from "./telemetry/audit.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import type { SharedLimit } from "./telemetry/metrics.ts";
import type { TracedServices, Tracing, TracingOptions } from "./telemetry/tracing.ts";
import { createRequestValidators } from "./validation/request-validator.ts";
import type { ValidatorOf } from "./validation/request-validator.ts";

/** A gateway that is serving. */
export interface Gateway extends Shutdown {
  readonly url: string;
  /** Undefined if `/metrics` is one of the routes at `url`. */
  readonly metricsUrl: string | undefined;
}

/** A server cannot listen on the address of `setting`; `cause` is Node's error. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly setting: "BIND_ADDR" | "METRICS_ADDR";

  constructor(setting: ListenError["setting"], cause: unknown) {
    super(`cannot listen on ${setting}`, { cause });
    this.setting = setting;
  }
}

/** Enough for several Prometheus servers and a person. */
const maxMetricsConnections = 16;

/** The timeout for exporting the last spans, in milliseconds. A collector that is down must not use all the grace. */
const maxExportMs = 3000;

/** The memory limits that follow from MAX_BUFFERED_BYTES, in bytes. */
function memoryLimits(maxBufferedBytes: number) {
  const mebibyte = 1024 * 1024;
  return {
    /** The maximum size of a message from the orchestrator. */
    maxMessageBytes: Math.min(64 * mebibyte, maxBufferedBytes / 2),
    /** The maximum size of a page of workflows. */
    maxPageBytes: Math.min(16 * mebibyte, maxBufferedBytes / 8),
    /** JSON that is written and not yet sent, in addition to MAX_BUFFERED_BYTES. A larger text is written alone. */
    maxJsonBytes: maxBufferedBytes / 4,
    /** Events that streams hold while they search for the terminal one, in addition to MAX_BUFFERED_BYTES. */
    maxSearchBytes: maxBufferedBytes / 8,
  };
}

/** The `user-agent` of the gateway's gRPC calls: a product of RFC 9110 §10.1.5. */
const userAgentOf = (version: string) => `foldforge-gateway/${version}`;

/** Loads the OpenTelemetry SDK, which takes a tenth of the whole start and is needed only where spans are exported. */
async function startTracing(
  options: TracingOptions,
  services: TracedServices,
  logger: Logger,
): Promise<Tracing> {
  const [{ startTracing }, { createExporter }] = await Promise.all([
    import("./telemetry/tracing.ts"),
    import("./otlp/exporter.ts"),
  ]);
  const exporter = await createExporter(options, userAgentOf(services.version), logger);
  return startTracing(options, services, exporter, logger);
}

/** Loads the AWS SDK, which takes a tenth of the whole start and is needed only where artifacts are served. */
function importObjectStore() {
  return import("./artifacts/object-store.ts");
}

/** Loads Stripe's library, which takes as long and is needed only where credits are sold. */
function importCheckout() {
  return import("./billing/checkout.ts");
}

function isMetrics({ operations }: Path): boolean {
  return operations.some(({ id }) => id === "metrics");
}

/** Options that are not settings: all but the registry are for tests. */
export interface GatewayOptions {
  /** Receives the metrics, in addition to those of the process. */
  readonly registry?: Registry;
  /** More stages of every operation, before its validation. */
  readonly operationStages?: (contract: Contract) => readonly Middleware[];
  readonly contract?: Contract;
  /** The validators of the contract, where it is compiled already. */
  readonly validatorOf?: ValidatorOf;
  /** A monotonic clock in milliseconds, for the API-key cache and readiness. */
  readonly now?: () => number;
  readonly streamIntervals?: StreamIntervals;
  readonly retryPolicy?: RetryPolicy;
}

/** Builds the gateway and starts to serve. Rejects, with nothing left open, if it cannot listen. */
export async function startGateway(
  settings: Settings,
  logger: Logger,
  options: GatewayOptions = {},
): Promise<Gateway> {
  const { rpcTimeoutMs, apiKeys, objectStore, maxEventStreams, maxBufferedBytes } = settings;
  const memory = memoryLimits(maxBufferedBytes);
  const contract = options.contract ?? loadContract();
  const validatorOf = options.validatorOf ?? createRequestValidators(contract.document);
  const { version } = contract.document.info;
  const hasMetricsServer = settings.metricsBind !== undefined;
  const publicContract = hasMetricsServer ? withPaths(contract, (path) => !isMetrics(path)) : contract;

  const metrics = createMetrics(options.registry);
  const tracing =
    settings.tracing && (await startTracing(settings.tracing, { ...settings, version }, logger));

  const buffered = new BufferedBytes({
    limit: maxBufferedBytes,
    stallTimeoutMs: settings.server.stallTimeoutMs,
    onSlowClientDisconnected: metrics.countSlowClientDisconnected,
  });
  const createKeyShares = (of: SharedLimit, limit: () => number) =>
    new KeyShares({ of, limit, share: settings.maxSharePerKey, countOverShare: metrics.countOverShare });
  const shedding = createLoadShedding({
    maxInFlight: settings.maxRequestsInFlight,
    createKeyShares,
    logger,
    metrics,
  });
  const largeBodies = new LargeBodies(createKeyShares("requests_with_body", () => maxLargeBodies));
  const tasks = new TaskQueue();

  // This throws if a file is missing, so it comes before connections are opened.
  const storeCertificates =
    settings.objectStoreTls && watchCertificates(settings.objectStoreTls, { server: "object_store", logger });
  const store =
    objectStore &&
    (await importObjectStore()).createObjectStore(
      objectStore,
      createKeyShares("downloads", () => objectStore.maxDownloads),
      tracing?.observeDownload,
      storeCertificates?.secureContext,
    );
  const openCheckout = settings.stripe && (await importCheckout()).createCheckout(settings.stripe);
  const { NodeConnection } = settings.usesNodeHttp2 ? await importNodeConnection() : {};
  const orchestrator = createOrchestrator(settings.orchestratorEndpoints, {
    createConnection: NodeConnection && ((...args) => new NodeConnection(...args)),
    memory: buffered,
    readMaxBytes: memory.maxMessageBytes,
    keepalive: settings.keepalive,
    userAgent: userAgentOf(version),
    tls: settings.orchestratorTls,
    logger,
    observers: [measureCalls(metrics.observeGrpcCall)],
    startCallSpan: tracing?.startCallSpan,
    onKeepaliveRejected: metrics.countKeepaliveRejected,
  });
  const { client } = orchestrator;

  async function closeUpstreams(timeoutMs: number): Promise<void> {
    orchestrator.close();
    store?.close();
    storeCertificates?.close();
    await tracing?.close(Math.min(maxExportMs, timeoutMs));
  }

  const apiKeyCache =
    apiKeys &&
    createApiKeyCache(createApiKeyLookup(client, rpcTimeoutMs), {
      ...apiKeys,
      logger,
      count: metrics.countKeyLookup,
      ...(options.now === undefined ? {} : { now: options.now }),
    });
  const authenticator = createAuthenticator(settings.apiTokens, apiKeyCache);
  const streams = new StreamRegistry(
    options.streamIntervals ?? defaultStreamIntervals,
    maxEventStreams,
    createKeyShares("event_streams", () => maxEventStreams),
  );
  const probeReadiness = createReadinessProbe(client, rpcTimeoutMs, logger, options.now);
  let isDraining = false;

  const operations = createOperations({
    version,
    docs: createDocs(publicContract),
    orchestrator: client,
    // The drain may start during the probe.
    probeReadiness: async (trace) => !isDraining && (await probeReadiness(trace)) && !isDraining,
    authenticator,
    consumeQuota: createQuota(client, authenticator),
    bucket: settings.bucket,
    store,
    streams,
    searchMemory: new ByteSemaphore(memory.maxSearchBytes),
    retryPolicy: options.retryPolicy ?? defaultRetryPolicy,
    tasks,
    writeJson: createWriteJson(tasks, new ByteSemaphore(memory.maxJsonBytes), logger),
    transcoders: createTranscoders(settings.bucket),
    trackBuffered: (socket) => buffered.track(socket),
    maxRequestBytes: settings.maxRequestBytes,
    maxPageBytes: memory.maxPageBytes,
    pricePerStep: settings.pricePerStep,
    openCheckout,
    stripe: settings.stripe,
    logger,
    audit: createAudit(logger),
    metrics,
  });

  const findClient = createFindClient(settings.trustedProxies);
  const createPipelineFor = (contract: Contract, open: Pick<PipelineOptions, "shed" | "allowedOrigins">) =>
    createPipeline({
      ...open,
      findClient,
      startSpan: tracing?.startRequestSpan,
      contract,
      validatorOf,
      operations,
      authenticator,
      logger,
      metrics,
      rpcTimeoutMs,
      maxBodyBytes: settings.maxBodyBytes,
      largeBodies,
      tasks,
      operationStages: options.operationStages?.(contract),
    });
  const pipeline = createPipelineFor(publicContract, {
    shed: shedding.shed,
    allowedOrigins: settings.allowedOrigins,
  });

  let metricsServer: RunningServer | undefined;

  async function serve(
    { listener, messageClasses }: Pipeline,
    setting: ListenError["setting"],
    bind: Settings["bind"],
    limits: ServerLimits,
  ): Promise<RunningServer> {
    try {
      return await startServer(listener, { bind, limits, messageClasses, buffered, logger, metrics });
    } catch (error) {
      await metricsServer?.close(0);
      await closeUpstreams(0);
      throw new ListenError(setting, error);
    }
  }

  if (settings.metricsBind !== undefined) {
    metricsServer = await serve(
      createPipelineFor(withPaths(contract, isMetrics), { shed: undefined, allowedOrigins: undefined }),
      "METRICS_ADDR",
      settings.metricsBind,
      { ...settings.server, maxConnections: maxMetricsConnections },
    );
  }
  const server = await serve(pipeline, "BIND_ADDR", settings.bind, settings.server);

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

  const shutdown = createShutdown({
    ...settings,
    onDrain() {
      isDraining = true;
      server.drain();
    },
    servers: metricsServer === undefined ? [server] : [server, metricsServer],
    streams,
    closeUpstreams,
  });
  return { url: server.url, metricsUrl: metricsServer?.url, ...shutdown };
}
