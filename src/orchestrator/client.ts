import { createClient } from "@connectrpc/connect";
import type { Client } from "@connectrpc/connect";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import type { Logger } from "../telemetry/logger.ts";
import { watchAddresses } from "./address-watch.ts";
import type { LookUp } from "./address-watch.ts";
import { GrpcBalancer } from "./grpc-balancer.ts";
import { defaultKeepalive } from "./grpc-connection.ts";
import type { KeepaliveOptions } from "./grpc-connection.ts";
import { serverStreamFunction } from "./grpc-stream-function.ts";
import { hostOf, targetOf } from "./grpc-target.ts";
import { watchTlsFiles } from "./tls-files.ts";
import type { TlsPems } from "./tls-pems.ts";
import { createGrpcTransport } from "./grpc-transport.ts";
import type { GrpcTransportOptions } from "./grpc-transport.ts";

/** The calls to the orchestrator. Each rejects with a ConnectError. */
export type OrchestratorClient = Client<typeof OrchestratorService>;

/** The calls over two transports: one for unary calls, one for event streams. */
export function orchestratorClient(
  calls: GrpcTransportOptions,
  streams: GrpcTransportOptions,
): OrchestratorClient {
  const { streamWorkflowEvents } = OrchestratorService.method;
  return {
    ...createClient(OrchestratorService, createGrpcTransport(calls)),
    streamWorkflowEvents: serverStreamFunction(streams, streamWorkflowEvents),
  };
}

/** The gRPC side of the gateway. */
export interface Orchestrator {
  readonly client: OrchestratorClient;
  /** How many addresses calls may go to, and at how many of them somebody is there. */
  count(): { readonly all: number; readonly reached: number };
  /** Ends every connection at once. */
  close(): void;
}

/** How to reach orchestrators. */
export interface OrchestratorOptions {
  readonly keepalive?: KeepaliveOptions;
  readonly logger: Logger;
  /** The files for TLS; where it is undefined, Node's own authorities are trusted. */
  readonly tls?: TlsPems | undefined;
  readonly lookUp?: LookUp;
  /** How often names and files are looked at, in milliseconds. */
  readonly refreshMs?: number;
}

/** Largest message that is accepted from the orchestrator, in bytes. */
const readMaxBytes = 64 * 1024 * 1024;

/**
 * Connects to the orchestrators at `endpoints`, lazily and again after every loss: those that are listed, and of a name
 * each address that it stands for. They differ in nothing but host and port.
 */
export function createOrchestrator(
  endpoints: readonly string[],
  { keepalive = defaultKeepalive, logger, tls, lookUp, refreshMs }: OrchestratorOptions,
): Orchestrator {
  const urls = endpoints.map((endpoint) => new URL(endpoint));
  const balancer = new GrpcBalancer({ keepalive, logger, onLost: () => watch.refresh() });
  const certificates =
    tls === undefined
      ? undefined
      : watchTlsFiles(tls, { logger, refreshMs, onChange: () => balancer.renew() });
  const watch = watchAddresses([...new Set(urls.map(hostOf))], {
    lookUp,
    refreshMs,
    logger,
    onLook: (addresses) =>
      balancer.update(
        urls.flatMap((url) =>
          (addresses.get(hostOf(url)) ?? []).map((host) => targetOf(url, host, certificates?.secureContext)),
        ),
      ),
  });
  const shared = { pathPrefix: urls[0]?.pathname.replace(/\/$/, "") ?? "", readMaxBytes };
  return {
    client: orchestratorClient(
      { ...shared, connection: balancer.calls },
      { ...shared, connection: balancer.streams },
    ),
    count: () => balancer.count,
    close() {
      watch.close();
      certificates?.close();
      balancer.close();
    },
  };
}
