import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";

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

/** A server that is listening. */
interface RunningServer {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  /**
   * Takes no new connection, lets requests in flight finish, and cuts what is left after `graceMs`. Resolves
   * when every connection is closed.
   */
  close(graceMs: number): Promise<void>;
}

/** Listens on `host:port` (0: any free port); rejects when it cannot. */
export async function startServer(app: RequestListener, host: string, port: number): Promise<RunningServer> {
  const server = createServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  return { url: urlOf(server), close: (graceMs) => closeServer(server, graceMs) };
}

function urlOf(server: Server): string {
  // An address of a TCP server that is listening is never a string or null.
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** How often connections that have become idle are looked for while closing, in milliseconds. */
const idleCheckMs = 50;

async function closeServer(server: Server, graceMs: number): Promise<void> {
  // A connection whose request has just been answered stays open for the next one until somebody closes it.
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs);
  const grace = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise((resolve) => server.close(resolve));
  clearInterval(idle);
  clearTimeout(grace);
}
