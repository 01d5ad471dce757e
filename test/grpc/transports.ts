import { createClient } from "@connectrpc/connect";
import { createGrpcTransport as createStockTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { orchestratorClient } from "../../src/orchestrator/client.ts";
import { createGrpcConnection } from "../../src/grpc/session-pool.ts";
import { targetOf } from "../../src/grpc/address.ts";
import { createGrpcTransport } from "../../src/grpc/transport.ts";
import type { DecodingClient } from "../support/orchestrator.ts";

/** A client over one of the transports. */
export interface ClientUnderTest {
  readonly client: DecodingClient;
  close(): Promise<void>;
}

/** Resolves once `holds`; a test that waits for too long is mocha's to end. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

/** How many sockets this process has open. */
export function sockets(): number {
  return process.getActiveResourcesInfo().filter((what) => what === "TCPSocketWrap").length;
}

/** The largest message that both accept. */
export const readMaxBytes = 4 * 1024 * 1024;

/** Our transport, and the one that it stands in for. */
export const transports = {
  ours(url: string, options?: Parameters<typeof createGrpcConnection>[1]): ClientUnderTest {
    const connection = createGrpcConnection(targetOf(new URL(url)), options);
    const transport = createGrpcTransport({ connection, pathPrefix: "", readMaxBytes });
    return {
      client: createClient(OrchestratorService, transport),
      close: () => Promise.resolve(connection.close()),
    };
  },
  /** Our transport as the gateway uses it. */
  gateway(url: string, options?: Parameters<typeof createGrpcConnection>[1]): ClientUnderTest {
    const connection = createGrpcConnection(targetOf(new URL(url)), options);
    const shared = { connection, pathPrefix: "", readMaxBytes };
    return {
      client: orchestratorClient(shared, shared),
      close: () => Promise.resolve(connection.close()),
    };
  },
  stock(url: string): ClientUnderTest {
    const sessionManager = new Http2SessionManager(url);
    const transport = createStockTransport({
      baseUrl: url,
      sessionManager,
      readMaxBytes,
      acceptCompression: [],
    });
    return {
      client: createClient(OrchestratorService, transport),
      close: () => Promise.resolve(sessionManager.abort()),
    };
  },
};
