import { orchestratorClient } from "../../src/orchestrator/client.ts";
import { resolvedAddress } from "../../src/grpc/address.ts";
import type { CallObserver } from "../../src/grpc/observer.ts";
import { defaultKeepalive } from "../../src/grpc/keepalive.ts";
import { Connection } from "../../src/grpc/http2/index.ts";
import { NodeConnection } from "../../src/grpc/node-connection.ts";
import { SessionPool } from "../../src/grpc/session-pool.ts";
import type { SessionPoolOptions } from "../../src/grpc/session-pool.ts";
import type { CreateConnection, SessionListener, StreamOpener } from "../../src/grpc/session.ts";
import type { DecodingClient } from "../support/orchestrator.ts";

/** A client over a session pool, without a channel. */
export interface PoolClient {
  readonly client: DecodingClient;
  close(): Promise<void>;
}

/** The number of open sockets of this process. */
export function sockets(): number {
  return process.getActiveResourcesInfo().filter((what) => what === "TCPSocketWrap").length;
}

/** The largest message that the clients accept. */
export const readMaxBytes = 4 * 1024 * 1024;

/** The client of the orchestrator's service over one opener for calls and streams. */
export function clientOver(opener: StreamOpener, observers: readonly CallObserver[] = []): DecodingClient {
  const options = { opener, pathPrefix: "", readMaxBytes, observers };
  return orchestratorClient(options, options);
}

/** The listener of a server that is the only one. */
const onlyServer: SessionListener = {
  onConnected: () => undefined,
  onLost: () => undefined,
  onGoaway: () => undefined,
  onKeepaliveRejected: () => undefined,
  hasOthers: () => false,
  hasReadyOther: () => false,
};

/** The sessions with the server at `url` alone; a call has one retry, as in a channel with one subchannel. */
export function sessionPool(
  url: string,
  options: Partial<SessionPoolOptions> = {},
): SessionPool & StreamOpener {
  const pool = new SessionPool(resolvedAddress(new URL(url)), {
    keepalive: defaultKeepalive.calls,
    streamWindowBytes: 64 * 1024,
    listener: onlyServer,
    pings: { areRejected: false },
    ...options,
  });
  return Object.assign(pool, { maxAttempts: 2 });
}

/** Both kinds of connections. */
export const connectionKinds = {
  "an own connection": (...args) => new Connection(...args),
  "a connection of node:http2": (...args) => new NodeConnection(...args),
} satisfies Record<string, CreateConnection>;

/** A client of the server at `url` alone. */
export function poolClient(url: string, options?: Partial<SessionPoolOptions>): PoolClient {
  const pool = sessionPool(url, options);
  return { client: clientOver(pool), close: () => Promise.resolve(pool.close()) };
}
