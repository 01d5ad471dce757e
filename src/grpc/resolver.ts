import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "../telemetry/logger.ts";

/** Resolves a host name to its addresses. */
export type LookUp = (host: string) => Promise<readonly string[]>;

interface ResolverOptions {
  readonly lookUp?: LookUp | undefined;
  /** The time between two resolutions, in milliseconds. */
  readonly refreshMs?: number | undefined;
  readonly logger: Logger;
  /** Called after each resolution with all addresses, by host. */
  readonly onResolved: (addresses: ReadonlyMap<string, readonly string[]>) => void;
}

/** Keeps names resolved. */
interface Resolver {
  /** Resolves again soon: within a second, and not more often than that. */
  refresh(): void;
  close(): void;
}

const defaultRefreshMs = 30_000;

/** The shortest time between two resolutions, in milliseconds. */
const minRefreshMs = 1000;

/** As the operating system resolves it, its own files included. */
async function lookUpByDefault(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function isOneServer(addresses: readonly string[]): boolean {
  return new Set(addresses.map(isIP)).size === addresses.length;
}

/**
 * Resolves `hosts`, now and every 30 seconds. The address of an address is itself. So is that of a name with only one
 * address, or one of IPv4 and one of IPv6, which are those of one server: connecting resolves it, and tries both. A name
 * that cannot be resolved keeps the addresses that it had.
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

  // A function, since the compiler does not know what happens while names are resolved.
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
