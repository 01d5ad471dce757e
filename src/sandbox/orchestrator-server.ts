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
  /** Breaks every connection, as a crash would; new ones are welcome. */
  dropConnections(): void;
  /** Stops listening and breaks every connection, with whatever streams it carries. */
  close(): Promise<void>;
}

/** What gRPC servers accept by default. */
const maxMessageBytes = 4 * 1024 * 1024;

/**
 * The memory that Node allows a session, in MB, here a million of them. What a cancelled call had still to send stays
 * counted for as long as the session lasts, although the memory is given back (seen with Node 24: 5 GB counted, 120 MB
 * used), so that any bound is reached at last, and every later stream is refused. What is really held is bounded by
 * the calls that are open.
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
  // One client has all the calls there are: what it cancels is no attack, however much it is.
  const server = createServer({ streamResetBurst: 1e6, streamResetRate: 1e6, maxSessionMemory }, handler);
  // Sockets and not sessions: a session that is closing already would wait for a peer that does not read.
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
