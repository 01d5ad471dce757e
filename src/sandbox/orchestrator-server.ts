import { createServer } from "node:http2";
import type { Socket } from "node:net";
import type { Interceptor, ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { OrchestratorService } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { listen } from "./listen.ts";
import type { Address } from "./settings.ts";

/** The service behind a socket: gRPC over HTTP/2 without TLS. */
export interface OrchestratorServer {
  readonly url: string;
  /** Destroys every connection, as a crash would; the server accepts new ones. */
  dropConnections(): void;
  /** Stops listening and destroys every connection. */
  close(): Promise<void>;
}

/** The default limit of gRPC servers. */
const maxMessageBytes = 4 * 1024 * 1024;

/**
 * The memory that Node allows a session, in MB. Node counts what a cancelled call had still to send until the session
 * ends, although the memory is freed (Node 24: 5 GB counted, 120 MB used), so that a session reaches any limit in time,
 * and then rejects every stream. The memory that is really used is bounded by the open calls.
 */
const maxSessionMemory = 1e6;

/** Starts the server. */
export async function startOrchestratorServer(
  service: Partial<ServiceImpl<typeof OrchestratorService>>,
  interceptor: Interceptor,
  address: Address,
): Promise<OrchestratorServer> {
  const handler = connectNodeAdapter({
    routes: (router) => void router.service(OrchestratorService, service),
    interceptors: [interceptor],
    connect: false,
    grpcWeb: false,
    readMaxBytes: maxMessageBytes,
  });
  // One client makes all calls: many cancelled streams are no attack.
  const server = createServer({ streamResetBurst: 1e6, streamResetRate: 1e6, maxSessionMemory }, handler);
  // Sockets and not sessions: a session that is closing waits for a peer that does not read.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const url = await listen(server, address, "ORCHESTRATOR_ADDR");

  function dropConnections() {
    for (const socket of sockets) socket.destroy();
  }

  return {
    url,
    dropConnections,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      dropConnections();
      await closed;
    },
  };
}
