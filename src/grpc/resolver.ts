import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "../telemetry/logger.ts";

/** Resolves a host name to its addresses. */
export type LookUp = (host: string) => Promise<readonly string[]>;

interface ResolverOptions {
  readonly lookUp?: LookUp | undefined;
  /** The time between two resolutions, in milliseconds; 30 seconds by default. */
  readonly refreshMs?: number | undefined;
  readonly logger: Logger;
  /** Called with the addresses of each host: at once with the hosts themselves, then after each resolution. */
  readonly onResolved: (addresses: ReadonlyMap<string, readonly string[]>) => void;
}

/** Resolves names at intervals. */
interface Resolver {
  /** Resolves again within a second; at most once a second. */
  refresh(): void;
  close(): void;
}

const defaultRefreshMs = 30_000;

/** The shortest time between two resolutions, in milliseconds. */
const minRefreshMs = 1000;

/** Resolves by the operating system (getaddrinfo), which reads /etc/hosts too. */
async function lookUpByDefault(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** Whether there is at most one address of each IP version: then all belong to one server. */
function isOneServer(addresses: readonly string[]): boolean {
  return new Set(addresses.map(isIP)).size === addresses.length;
}

/**
 * Resolves `hosts` now and every `refreshMs`. An IP address resolves to itself. A name of one server resolves to the
 * name, so that connecting to it tries both IP versions. A name whose resolution fails keeps its addresses.
 */
export function createResolver(hosts: readonly string[], options: ResolverOptions): Resolver {
  const { lookUp = lookUpByDefault, refreshMs = defaultRefreshMs, logger, onResolved } = options;
  const known = new Map(hosts.map((host): [string, readonly string[]] => [host, [host]]));
  const names = hosts.filter((host) => isIP(host) === 0);
  const failing = new Set<string>();
  let state: "waiting" | "resolving" | "closed" = "waiting";
  let timer: NodeJS.Timeout | undefined;
  let resolvedAt = -Infinity;

  async function resolveName(name: string): Promise<void> {
    try {
      const found = [...new Set(await lookUp(name))].sort();
      known.set(name, isOneServer(found) ? [name] : found);
      failing.delete(name);
    } catch (err) {
      if (!failing.has(name)) logger.warn({ event: "resolver.failed", name, err }, "resolver.failed");
      failing.add(name);
    }
  }

  async function resolve(): Promise<void> {
    state = "resolving";
    await Promise.all(names.map(resolveName));
    if (isClosed()) return;
    state = "waiting";
    resolvedAt = performance.now();
    onResolved(known);
    resolveAfter(refreshMs);
  }

  // A function, since TypeScript narrows `state` and does not see that `close` may change it meanwhile.
  function isClosed(): boolean {
    return state === "closed";
  }

  function resolveAfter(ms: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void resolve(), ms).unref();
  }

  onResolved(known);
  if (names.length > 0) void resolve();
  return {
    refresh() {
      if (state !== "waiting" || names.length === 0) return;
      resolveAfter(Math.max(0, resolvedAt + minRefreshMs - performance.now()));
    },
    close() {
      state = "closed";
      clearTimeout(timer);
    },
  };
}
