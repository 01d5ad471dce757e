import { createClient } from "@connectrpc/connect";
import type { Client } from "@connectrpc/connect";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { createGrpcConnection } from "./grpc-connection.ts";
import { serverStreamFunction } from "./grpc-stream-function.ts";
import { createGrpcTransport } from "./grpc-transport.ts";

/** The calls to the orchestrator. Each rejects with a ConnectError. */
export type OrchestratorClient = Client<typeof OrchestratorService>;

/** The gRPC side of the gateway. */
export interface Orchestrator {
  readonly client: OrchestratorClient;
  /** Ends every connection at once. */
  close(): void;
}

/** Largest message that is accepted from the orchestrator, in bytes. */
const readMaxBytes = 64 * 1024 * 1024;

/**
 * Connects to the orchestrator at `endpoint`, lazily and again after every loss. Event streams have a
 * connection of their own: past the server's limit of streams per connection, calls would wait behind them.
 */
export function createOrchestrator(endpoint: string): Orchestrator {
  const connections = { calls: createGrpcConnection(endpoint), streams: createGrpcConnection(endpoint) };
  const pathPrefix = new URL(endpoint).pathname.replace(/\/$/, "");
  const calls = createGrpcTransport({ connection: connections.calls, pathPrefix, readMaxBytes });
  const streams = { connection: connections.streams, pathPrefix, readMaxBytes };
  const { streamWorkflowEvents } = OrchestratorService.method;
  return {
    client: {
      ...createClient(OrchestratorService, calls),
      streamWorkflowEvents: serverStreamFunction(streams, streamWorkflowEvents),
    },
    close() {
      connections.calls.close();
      connections.streams.close();
    },
  };
}
