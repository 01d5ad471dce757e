import { createClient } from "@connectrpc/connect";
import type { Client } from "@connectrpc/connect";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createGrpcConnection, defaultKeepalive } from "./grpc-connection.ts";
import type { KeepaliveOptions } from "./grpc-connection.ts";
import { serverStreamFunction } from "./grpc-stream-function.ts";
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
  /** Ends every connection at once. */
  close(): void;
}

/** Largest message that is accepted from the orchestrator, in bytes. */
const readMaxBytes = 64 * 1024 * 1024;

/**
 * Connects to the orchestrator at `endpoint`, lazily and again after every loss. Event streams, which are silent
 * by nature, have a connection of their own.
 */
export function createOrchestrator(
  endpoint: string,
  { pingTimeoutMs, keepaliveMs }: KeepaliveOptions = defaultKeepalive,
): Orchestrator {
  const connections = {
    calls: createGrpcConnection(endpoint, { silenceMs: pingTimeoutMs, pingTimeoutMs }),
    streams: createGrpcConnection(endpoint, { silenceMs: keepaliveMs, pingTimeoutMs }),
  };
  const shared = { pathPrefix: new URL(endpoint).pathname.replace(/\/$/, ""), readMaxBytes };
  return {
    client: orchestratorClient(
      { ...shared, connection: connections.calls },
      { ...shared, connection: connections.streams },
    ),
    close() {
      connections.calls.close();
      connections.streams.close();
    },
  };
}
