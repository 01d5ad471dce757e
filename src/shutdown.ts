import { setTimeout as delay } from "node:timers/promises";

/** Ends a gateway; each function is called at most once. */
export interface Shutdown {
  /**
   * Continues to serve during the drain delay, not ready and with `Connection: close`, so that load balancers stop
   * sending requests; then closes.
   */
  drain(): Promise<void>;
  /**
   * Aborts the event streams, lets other requests finish, and closes everything, within `graceMs`: by default, the
   * grace of the settings.
   */
  close(graceMs?: number): Promise<void>;
}

/** The parts of a gateway, in the order in which they end, and the times of the settings, in milliseconds. */
interface ShutdownOptions {
  /** Called when a drain starts. */
  readonly onDrain: () => void;
  readonly servers: readonly { close(graceMs: number): Promise<void> }[];
  readonly streams: { close(): void };
  /** Closes the gateway's own connections to other services, within `timeoutMs`. */
  readonly closeUpstreams: (timeoutMs: number) => Promise<void>;
  readonly drainDelayMs: number;
  /** Includes the drain delay. */
  readonly shutdownGraceMs: number;
}

/** The part of a grace that is reserved for the upstreams, after the last requests, in milliseconds. */
function reserveOf(graceMs: number): number {
  return Math.min(500, graceMs / 10);
}

export function createShutdown(options: ShutdownOptions): Shutdown {
  const { onDrain, servers, streams, closeUpstreams, drainDelayMs, shutdownGraceMs } = options;

  async function closeWithin(graceMs: number, reserveMs: number): Promise<void> {
    // The upstreams get half of the reserve, so that this resolves within `graceMs` even if their timeout is late.
    const end = performance.now() + graceMs - reserveMs / 2;
    const serverGraceMs = Math.max(0, graceMs - reserveMs);
    const closed = servers.map((server) => server.close(serverGraceMs));
    streams.close();
    await Promise.all(closed);
    await closeUpstreams(end - performance.now());
  }

  return {
    async drain() {
      onDrain();
      await delay(drainDelayMs);
      await closeWithin(shutdownGraceMs - drainDelayMs, reserveOf(shutdownGraceMs));
    },
    close: (graceMs = shutdownGraceMs) => closeWithin(graceMs, reserveOf(graceMs)),
  };
}
