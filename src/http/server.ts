import type { RequestListener, Server } from "node:http";
import { Server as NetServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { BufferedBytes } from "../load-shedding/buffered-bytes.ts";
import { Connections } from "./connections.ts";
import { createMalformedRequests } from "./malformed-requests.ts";
import type { MessageClasses } from "./message-classes.ts";
import { http } from "../node-http.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createThrottledWarning } from "../telemetry/rate-limited-warnings.ts";

/** Timeouts of a client, in milliseconds, and the connection limit. */
export interface ServerLimits {
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to its end. */
  readonly requestTimeoutMs: number;
  /** How long a connection may be idle between two requests. */
  readonly keepAliveTimeoutMs: number;
  /** How long a client may read nothing of what is sent to it. */
  readonly stallTimeoutMs: number;
  readonly maxConnections: number;
}

interface ServerOptions {
  /** Port 0 takes any free port. */
  readonly bind: { readonly host: string; readonly port: number };
  readonly limits: ServerLimits;
  /** Node's own by default. */
  readonly messageClasses?: MessageClasses;
  /** Limits the bytes that wait for clients; unlimited without it. */
  readonly buffered?: BufferedBytes;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A listening server. */
export interface RunningServer {
  /** `http://host:port`, with the port that it listens on. */
  readonly url: string;
  /** How many connections are open. */
  readonly connections: number;
  /** Keeps serving, but closes each connection with its next response, so that clients connect elsewhere. */
  drain(): void;
  /**
   * Accepts no new connection, lets requests in flight finish, and destroys the connections that are left after
   * `graceMs`. Resolves when every connection is closed.
   */
  close(graceMs: number): Promise<void>;
}

/** How often slow requests and stalled clients are checked for, in milliseconds. */
const slowCheckMs = 1000;

/** In bytes. Larger than the limit of `framing`, whose errors are more exact. */
const maxHeaderSize = 32 * 1024;

/** Serves `listener`; rejects when it cannot listen. */
export async function startServer(
  listener: RequestListener,
  { bind, limits, messageClasses, buffered = unbounded(limits), logger, metrics }: ServerOptions,
): Promise<RunningServer> {
  const connections = new Connections(listener);
  const malformed = createMalformedRequests(connections, logger, metrics);
  const server = http.createServer({
    ...messageClasses,
    // Node rejects a headersTimeout above the requestTimeout.
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: slowCheckMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize,
    // Overrides the flags of the process.
    insecureHTTPParser: false,
    // `framing` responds with an error body; Node would not.
    requireHostHeader: false,
  });
  server.timeout = limits.stallTimeoutMs;
  server.maxConnections = limits.maxConnections;
  // Node would drop the headers above its limit, which then nothing checks.
  server.maxHeadersCount = 0;
  for (const event of ["request", "checkContinue", "checkExpectation"]) server.on(event, connections.serve);
  server
    .on("connection", (socket: Socket) => connections.add(socket))
    .on("clientError", malformed.onClientError)
    .on("connect", malformed.onConnect)
    .on("timeout", destroyUnlessServing)
    .on(
      "drop",
      createThrottledWarning(logger, "connections.dropped", { maxConnections: limits.maxConnections }),
    );

  /** Called after `stallTimeoutMs` without traffic, or, between requests, after `keepAliveTimeoutMs`. */
  function destroyUnlessServing(socket: Socket): void {
    const isServing = connections.pending(socket).length > 0 && socket.writableLength === 0;
    if (!isServing) socket.destroy();
  }

  const check = setInterval(() => buffered.disconnectStalled(connections.sockets), slowCheckMs).unref();
  server.once("close", () => clearInterval(check));

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(bind.port, bind.host, resolve);
  });
  return {
    url: urlOf(server),
    get connections() {
      return connections.count;
    },
    drain: () => connections.drain(),
    close(graceMs) {
      connections.drain();
      return closeServer(server, connections, graceMs);
    },
  };
}

function unbounded({ stallTimeoutMs }: ServerLimits): BufferedBytes {
  return new BufferedBytes({ limit: Infinity, stallTimeoutMs });
}

function urlOf(server: Server): string {
  // The address of a listening TCP server is an object.
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** How often idle connections are closed while the server closes, in milliseconds. */
const idleCheckMs = 50;

async function closeServer(server: Server, connections: Connections, graceMs: number): Promise<void> {
  // Node keeps a connection open after its response, and calls it idle as soon as the response is complete, sent or not.
  const idle = setInterval(() => connections.hasUnsent || server.closeIdleConnections(), idleCheckMs);
  const grace = setTimeout(() => server.closeAllConnections(), graceMs);
  // The close of an HTTP server would destroy connections with unsent responses at once.
  await new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
  // The server closes before the `close` events of its last connections, which end the requests on them.
  while (connections.count > 0) await nextTurn();
  clearInterval(idle);
  clearTimeout(grace);
  // Stops Node's timer for slow requests.
  server.close();
}
