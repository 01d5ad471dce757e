import { lookup as lookUpHost } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "../telemetry/logger.ts";

/** Tells the addresses of a host name; rejects when it does not know. */
export type LookUp = (host: string) => Promise<readonly string[]>;

/** How names are looked up, and who hears what they stand for. */
export interface AddressWatchOptions {
  readonly lookUp?: LookUp | undefined;
  /** How often, in milliseconds. */
  readonly refreshMs?: number | undefined;
  readonly logger: Logger;
  /** Is called with all addresses, those of each host together, after each look. */
  readonly onLook: (addresses: ReadonlyMap<string, readonly string[]>) => void;
}

/** A watch over names. */
export interface AddressWatch {
  /** Looks again soon: within a second, and not more often than that. */
  refresh(): void;
  close(): void;
}

const defaultRefreshMs = 30_000;

/** The shortest time between two looks, in milliseconds. */
const restMs = 1000;

/** As the operating system knows it, its own files included. */
async function lookUpByDefault(host: string): Promise<readonly string[]> {
  return (await lookUpHost(host, { all: true })).map(({ address }) => address);
}

function isOneServer(addresses: readonly string[]): boolean {
  return new Set(addresses.map(isIP)).size === addresses.length;
}

/**
 * Looks up `hosts`, now and every 30 seconds. A host that is an address stands for itself, and so does a name that has
 * only one, or one of IPv4 and one of IPv6, which are one server's: whoever connects looks it up, and tries both. A name
 * that cannot be looked up keeps the addresses that it had.
 */
export function watchAddresses(hosts: readonly string[], options: AddressWatchOptions): AddressWatch {
  const { lookUp = lookUpByDefault, refreshMs = defaultRefreshMs, logger, onLook } = options;
  const known = new Map(hosts.map((host): [string, readonly string[]] => [host, [host]]));
  const names = hosts.filter((host) => isIP(host) === 0);
  const failing = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;
  let isClosed = false;
  let lookedAt = -Infinity;

  async function lookAt(name: string): Promise<void> {
    try {
      const found = [...new Set(await lookUp(name))].sort();
      known.set(name, isOneServer(found) ? [name] : found);
      failing.delete(name);
    } catch (err) {
      if (!failing.has(name))
        logger.warn({ event: "orchestrator.unresolved", name, err }, "orchestrator.unresolved");
      failing.add(name);
    }
  }

  async function look(): Promise<void> {
    isLooking = true;
    await Promise.all(names.map(lookAt));
    isLooking = false;
    lookedAt = performance.now();
    if (isClosed) return;
    onLook(known);
    lookAfter(refreshMs);
  }

  function lookAfter(ms: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void look(), ms).unref();
  }

  onLook(known);
  if (names.length > 0) void look();
  return {
    refresh() {
      if (!isLooking && names.length > 0) lookAfter(Math.max(0, lookedAt + restMs - performance.now()));
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
