import { orchestratorClient } from "../../src/orchestrator/client.ts";
import { targetOf } from "../../src/grpc/address.ts";
import type { CallObserver } from "../../src/grpc/observer.ts";
import { SessionPool } from "../../src/grpc/session-pool.ts";
import type { StreamOpener } from "../../src/grpc/session.ts";
import type { DecodingClient } from "../support/orchestrator.ts";

/** A client over a session pool, without a channel. */
export interface PoolClient {
  readonly client: DecodingClient;
  close(): Promise<void>;
}

/** Resolves once `holds` returns true; mocha's timeout ends a test that waits for too long. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
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

/** A client of the server at `url` alone. */
export function poolClient(url: string, options?: ConstructorParameters<typeof SessionPool>[1]): PoolClient {
  const pool = new SessionPool(targetOf(new URL(url)), options);
  return { client: clientOver(pool), close: () => Promise.resolve(pool.close()) };
}
