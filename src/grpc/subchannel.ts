import type { Logger } from "../telemetry/logger.ts";
import { createGrpcConnection } from "./session-pool.ts";
import type { GrpcPeerConnection } from "./session-pool.ts";
import type { KeepaliveOptions } from "./keepalive.ts";
import { addressOf } from "./address.ts";
import type { GrpcTarget } from "./address.ts";

/**
 * How many bytes of each event stream a server may send ahead: there may be 10,000 of them, and what has come of a message
 * that waits for memory is held.
 */
const streamWindowBytes = 16 * 1024;

/** What a server is told about, and tells, those around it. */
export interface SubchannelOptions {
  readonly keepalive: KeepaliveOptions;
  readonly logger: Logger;
  /** Whether another one can be called instead. */
  readonly hasOthers: () => boolean;
  /** Whether another one than this is there. */
  readonly hasStandIn: (server: Subchannel) => boolean;
  /** Hears that one is there that was not. */
  readonly onReached: () => void;
  /** Hears of each loss. */
  readonly onLost: () => void;
  /** Hears that one ends a session because of its pings. */
  readonly onPingsRefused: () => void;
}

/** The rests before a server that cannot be reached is tried again, in milliseconds: each twice the one before. */
const firstRestMs = 250;
const longestRestMs = 8000;

/** How long a server has to be there for its failures to be forgotten, in milliseconds. */
const provenMs = 1000;

/** One of several servers: its connections, and whether it is there. One that is not is tried again with back-off. */
export class Subchannel {
  readonly calls: GrpcPeerConnection;
  /** Event streams, which are silent by nature, have a connection of their own. */
  readonly streams: GrpcPeerConnection;
  readonly #address: string;
  readonly #options: SubchannelOptions;
  #isReached = false;
  #isTrying = false;
  #isLossTold = false;
  /** Failures in a row: being there for a moment breaks none. */
  #failures = 0;
  #reachedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isGone = false;

  constructor(target: GrpcTarget, options: SubchannelOptions) {
    const { calls, streams } = options.keepalive;
    this.#address = addressOf(target);
    this.#options = options;
    const watch = {
      reached: () => this.#reach(),
      lost: (reason?: Error) => {
        if (this.#isGone) return;
        if (!this.#isLossTold) this.#tell("warn", "orchestrator.lost", reason);
        this.#isLossTold = true;
        this.#lose();
        // What has happened to one connection may have happened to the other, and is only not found yet.
        this.calls.check();
        this.streams.check();
      },
      // In good order: it may be there again at once.
      left: () => this.#lose(),
      refusedPings: () => {
        const event = "keepalive.refused";
        options.logger.warn({ event, address: this.#address }, event);
        options.onPingsRefused();
      },
      // Once it is gone, whatever there is is another.
      hasOthers: () => this.#isGone || options.hasOthers(),
      hasStandIn: () => options.hasStandIn(this),
    };
    const shared = { watch, pings: { areRefused: false } };
    this.calls = createGrpcConnection(target, { ...shared, keepalive: calls });
    this.streams = createGrpcConnection(target, { ...shared, keepalive: streams, streamWindowBytes });
  }

  /** Whether it was there when it was heard of last. */
  get isReached(): boolean {
    return this.#isReached;
  }

  /** Whether it is there, and nothing has cast doubt on that. */
  get isSound(): boolean {
    return this.#isReached && !this.calls.isInDoubt;
  }

  /** Whether it is, and does not keep calls waiting in silence. */
  get isLively(): boolean {
    return this.isSound && !this.calls.isQuiet;
  }

  /** Whether it is about to be known whether it is there. */
  get isTrying(): boolean {
    return this.#isTrying;
  }

  /** Whether its last streams have ended, once it is retired. */
  get isIdle(): boolean {
    return this.calls.sessions + this.streams.sessions === 0;
  }

  /** Finds out whether it is there, unless that is known or about to be. */
  tryOut(): void {
    if (this.#isReached || this.#isTrying || this.#timer !== undefined) return;
    this.#isTrying = true;
    this.calls.connect();
  }

  /** Lets the calls that wait for a connection with it go to another one, where there is one. */
  giveBack(): void {
    this.calls.giveBack();
    this.streams.giveBack();
  }

  /** Has new calls connect anew; connections end with their last streams. */
  renew(): void {
    this.#retireConnections();
    if (!this.#isTrying) return;
    // Nobody hears any more of the connection that was to find out.
    this.#isTrying = false;
    this.tryOut();
  }

  /** Ends its connections with their last streams. */
  retire(): void {
    this.#leave();
    this.giveBack();
    this.#retireConnections();
  }

  /** Ends its connections at once. */
  close(): void {
    this.#leave();
    this.calls.close();
    this.streams.close();
  }

  #retireConnections(): void {
    this.calls.retire();
    this.streams.retire();
  }

  #leave(): void {
    this.#isGone = true;
    clearTimeout(this.#timer);
  }

  #reach(): void {
    if (this.#isLossTold) this.#tell("info", "orchestrator.regained");
    this.#isLossTold = false;
    this.#isTrying = false;
    if (this.#isReached) return;
    this.#reachedAt = performance.now();
    this.#isReached = true;
    this.#options.onReached();
  }

  #lose(): void {
    if (this.#isGone) return;
    this.#options.onLost();
    // Its other connections were lost with this one.
    if (!this.#isReached && !this.#isTrying) return;
    if (this.#isReached && performance.now() - this.#reachedAt > provenMs) this.#failures = 0;
    this.#isReached = false;
    this.#isTrying = false;
    this.#failures += 1;
    if (this.#options.hasOthers()) this.#tryAgain();
  }

  #tryAgain(): void {
    const rest = Math.min(firstRestMs * 2 ** (this.#failures - 2), longestRestMs);
    // Gateways that have lost it together are not to come back together.
    const restMs = this.#failures === 1 ? 0 : rest * (0.8 + 0.4 * Math.random());
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.tryOut();
    }, restMs).unref();
  }

  /** Where there is but one, whoever calls it or asks for readiness tells. */
  #tell(level: "warn" | "info", event: string, err?: Error): void {
    if (this.#options.hasOthers()) this.#options.logger[level]({ event, address: this.#address, err }, event);
  }
}
