import { createClient } from "@connectrpc/connect";
import type { Client } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { lostConnection } from "./lost-connection.ts";

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
  const sessions = { calls: new Http2SessionManager(endpoint), streams: new Http2SessionManager(endpoint) };
  const clientOver = (sessionManager: Http2SessionManager) =>
    createClient(
      OrchestratorService,
      createGrpcTransport({
        baseUrl: endpoint,
        sessionManager,
        readMaxBytes,
        acceptCompression: [],
        interceptors: [lostConnection],
      }),
    );
  const { streamWorkflowEvents } = clientOver(sessions.streams);
  return {
    client: { ...clientOver(sessions.calls), streamWorkflowEvents },
    close() {
      sessions.calls.abort();
      sessions.streams.abort();
    },
  };
}
