import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { Server as NetServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setImmediate as endOfTurn } from "node:timers/promises";
import { BufferedBytes } from "../load-shedding/buffered-bytes.ts";
import { Connections } from "./connections.ts";
import { createMalformedRequests } from "./malformed-requests.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createThrottledWarning } from "../telemetry/throttled-warning.ts";

/** What one client may take of the server, in milliseconds, and how many may come. */
export interface ServerLimits {
  /** Longest time until a request's headers are complete. */
  readonly headersTimeoutMs: number;
  /** Longest time until the whole request is there. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept for the next request. */
  readonly keepAliveTimeoutMs: number;
  /** How long a client may read nothing of what waits for it. */
  readonly stallTimeoutMs: number;
  readonly maxConnections: number;
}

/** Where and within which bounds to serve, and whom to tell of what never becomes a request. */
interface ServerOptions {
  /** 0: any free port. */
  readonly bind: { readonly host: string; readonly port: number };
  readonly limits: ServerLimits;
  /** What bounds the bytes that wait for clients; without it nothing does. */
  readonly buffered?: BufferedBytes;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A server that is listening. */
export interface RunningServer {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  /** How many connections are open. */
  readonly connections: number;
  /** Serves on, but says with every answer that its connection ends there, so that clients go elsewhere. */
  leave(): void;
  /**
   * Takes no new connection, lets requests in flight finish, and cuts what is left after `graceMs`. Resolves
   * when every connection is closed.
   */
  close(graceMs: number): Promise<void>;
}

/** How often slow requests are looked for, in milliseconds. */
const slowCheckMs = 1000;

/** More than the pipeline allows, so that it is what refuses a request's head, in all but absurd cases; in bytes. */
const maxHeaderSize = 32 * 1024;

/** Serves `app`; rejects when it cannot listen. */
export async function startServer(
  app: RequestListener,
  { bind, limits, buffered = unbounded(limits), logger, metrics }: ServerOptions,
): Promise<RunningServer> {
  const connections = new Connections(app);
  const refused = createMalformedRequests(connections, logger, metrics);
  const server = createServer({
    // Headers have no more time than the whole request, and Node insists that this is said.
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: slowCheckMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize,
    // Whatever the options of the process say.
    insecureHTTPParser: false,
    // The pipeline refuses it, with the body that every error has.
    requireHostHeader: false,
  });
  server.timeout = limits.stallTimeoutMs;
  server.maxConnections = limits.maxConnections;
  // No header is dropped, so that none goes unchecked.
  server.maxHeadersCount = 0;
  for (const event of ["request", "checkContinue", "checkExpectation"]) server.on(event, connections.serve);
  server
    .on("connection", (socket: Socket) => connections.add(socket))
    .on("clientError", refused.onClientError)
    .on("connect", refused.onConnect)
    .on("timeout", cutWhenIdle)
    .on(
      "drop",
      createThrottledWarning(logger, "connections.dropped", { maxConnections: limits.maxConnections }),
    );

  /** Nothing has moved on the connection for `stallTimeoutMs`, or, between requests, for `keepAliveTimeoutMs`. */
  function cutWhenIdle(socket: Socket): void {
    const waitsForUs = connections.unanswered(socket).length > 0 && socket.writableLength === 0;
    if (!waitsForUs) socket.destroy();
  }

  const watch = setInterval(() => buffered.disconnectStalled(connections.sockets), slowCheckMs).unref();
  server.once("close", () => clearInterval(watch));

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(bind.port, bind.host, resolve);
  });
  return {
    url: urlOf(server),
    get connections() {
      return connections.count;
    },
    leave: () => connections.leave(),
    close(graceMs) {
      connections.leave();
      return closeServer(server, connections, graceMs);
    },
  };
}

function unbounded({ stallTimeoutMs }: ServerLimits): BufferedBytes {
  return new BufferedBytes({ limit: Infinity, stallTimeoutMs });
}

function urlOf(server: Server): string {
  // An address of a TCP server that is listening is never a string or null.
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** How often connections that have become idle are looked for while closing, in milliseconds. */
const idleCheckMs = 50;

async function closeServer(server: Server, connections: Connections, graceMs: number): Promise<void> {
  // A connection whose request has just been answered stays open for the next one until somebody closes it. Node takes
  // one for idle already when its answer is complete, though not yet sent.
  const idle = setInterval(() => connections.hasUnsent || server.closeIdleConnections(), idleCheckMs);
  const grace = setTimeout(() => server.closeAllConnections(), graceMs);
  // Without what an HTTP server adds to it: it would close such connections at once.
  await new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
  // The server is closed before its last connections are, and with these the requests that were cut.
  while (connections.count > 0) await endOfTurn();
  clearInterval(idle);
  clearTimeout(grace);
  // The server's timer for slow requests has nothing to do any more.
  server.close();
}
