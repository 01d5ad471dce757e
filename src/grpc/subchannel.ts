import type { Logger } from "../telemetry/logger.ts";
import { addressOf } from "./address.ts";
import type { Target } from "./address.ts";
import type { KeepaliveOptions } from "./keepalive.ts";
import { SessionPool } from "./session-pool.ts";
import type { ServerWatch } from "./session.ts";

/**
 * How many bytes of each server stream a server may send ahead: there may be 10,000 streams, and what was received of a
 * message that waits for memory is held.
 */
const streamWindowBytes = 16 * 1024;

/** gRPC's connectivity states (https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md). */
export type SubchannelState =
  /** Nothing is known of its server. The next call connects. */
  | "idle"
  /** A session is being established. */
  | "connecting"
  /** Its server was there when something was received last. */
  | "ready"
  /** Its server is gone, and is connected to again after a backoff. */
  | "transient-failure"
  /** It is closed, or takes no more calls and ends with the last one. */
  | "shutdown";

/** What a subchannel has to know of the others, and reports. */
export interface SubchannelOptions {
  readonly keepalive: KeepaliveOptions;
  readonly logger: Logger;
  /** Whether there are others. */
  readonly hasOthers: () => boolean;
  /** Whether another one than this is ready, and not suspect. */
  readonly hasReadyOther: (subchannel: Subchannel) => boolean;
  readonly onReady: () => void;
  /** Called at each loss. */
  readonly onLost: () => void;
  /** Called when the server ends a session because of the pings on it. */
  readonly onKeepaliveRejected: () => void;
}

/** The backoff before a server that cannot be reached is tried again, in milliseconds: it doubles at each failure. */
const firstBackoffMs = 250;
const maxBackoffMs = 8000;

/** How long a server has to be ready for its failures to be forgotten, in milliseconds. */
const provenMs = 1000;

/** One address of a server: its session pools and its state. */
export class Subchannel {
  readonly calls: SessionPool;
  /** Server streams, which are silent by nature, have sessions of their own. */
  readonly streams: SessionPool;
  readonly #address: string;
  readonly #options: SubchannelOptions;
  #state: SubchannelState = "idle";
  /** What the log says of it; undefined if it was never lost. */
  #logged: "subchannel.lost" | "subchannel.recovered" | undefined;
  /** Failures in a row: being ready for a moment does not end the row. */
  #failures = 0;
  #readyAt = 0;
  #backoff: NodeJS.Timeout | undefined;

  constructor(target: Target, options: SubchannelOptions) {
    const { calls, streams } = options.keepalive;
    this.#address = addressOf(target);
    this.#options = options;
    const watch: ServerWatch = {
      onConnected: () => this.#transition("ready"),
      onLost: (reason) => {
        if (this.#state === "shutdown") return;
        this.#logOnce("subchannel.lost", reason);
        this.#lose();
        // What has happened to one session may have happened to the others, and is only not noticed yet.
        this.calls.check();
        this.streams.check();
      },
      // The server may be there again at once.
      onGoaway: () => this.#lose(),
      onKeepaliveRejected: () => {
        const event = "keepalive.rejected";
        options.logger.warn({ event, address: this.#address }, event);
        options.onKeepaliveRejected();
      },
      // At its shutdown every server is another.
      hasOthers: () => this.#state === "shutdown" || options.hasOthers(),
      hasReadyOther: () => options.hasReadyOther(this),
    };
    const shared = { watch, pings: { areRejected: false } };
    this.calls = new SessionPool(target, { ...shared, keepalive: calls });
    this.streams = new SessionPool(target, { ...shared, keepalive: streams, streamWindowBytes });
  }

  get state(): SubchannelState {
    return this.#state;
  }

  /** Whether a session of unary calls suspects the server to be gone. */
  get isSuspect(): boolean {
    return this.calls.isSuspect;
  }

  /** Whether the server keeps unary calls waiting in silence. */
  get isQuiet(): boolean {
    return this.calls.isQuiet;
  }

  /** How many sessions there are, which at its shutdown end with their last streams. */
  get sessions(): number {
    return this.calls.size + this.streams.size;
  }

  /** Finds out whether its server is there, unless that is known or about to be. */
  connect(): void {
    if (this.#state === "idle") this.#transition("connecting");
  }

  /** Lets the calls that wait for a session with it be retried on another one, if there is one. */
  releaseWaiting(): void {
    this.calls.releaseWaiting();
    this.streams.releaseWaiting();
  }

  /** Ends each session with its last stream; new calls connect again. */
  drainSessions(): void {
    this.calls.drain();
    this.streams.drain();
    // The session that was to find out is drained too.
    if (this.#state === "connecting") this.#transition("connecting");
  }

  /** Takes no more calls, and ends each session with its last stream. */
  shutDown(): void {
    this.#transition("shutdown");
    this.releaseWaiting();
    this.calls.drain();
    this.streams.drain();
  }

  /** Ends its sessions at once. */
  close(): void {
    this.#transition("shutdown");
    this.calls.close();
    this.streams.close();
  }

  /** Nothing follows `shutdown`. */
  #transition(state: SubchannelState): void {
    const before = this.#state;
    if (before === "shutdown") return;
    this.#state = state;
    if (state === "shutdown") clearTimeout(this.#backoff);
    if (state === "connecting") this.calls.connect();
    if (state !== "ready") return;
    if (this.#logged === "subchannel.lost") this.#logOnce("subchannel.recovered");
    if (before === "ready") return;
    this.#readyAt = performance.now();
    this.#options.onReady();
  }

  #lose(): void {
    if (this.#state === "shutdown") return;
    this.#options.onLost();
    // Its other sessions were lost with this one.
    if (this.#state !== "ready" && this.#state !== "connecting") return;
    if (this.#state === "ready" && performance.now() - this.#readyAt > provenMs) this.#failures = 0;
    this.#failures += 1;
    if (this.#options.hasOthers()) this.#startBackoff();
    this.#transition(this.#backoff === undefined ? "idle" : "transient-failure");
  }

  #startBackoff(): void {
    const backoffMs = Math.min(firstBackoffMs * 2 ** (this.#failures - 2), maxBackoffMs);
    // Clients that have lost a server together are not to come back together.
    const waitMs = this.#failures === 1 ? 0 : backoffMs * (0.8 + 0.4 * Math.random());
    this.#backoff ??= setTimeout(() => {
      this.#backoff = undefined;
      if (this.#state === "transient-failure") this.#transition("connecting");
    }, waitMs).unref();
  }

  /** Logs a loss and a recovery once each. A channel with one subchannel leaves that to its callers. */
  #logOnce(event: "subchannel.lost" | "subchannel.recovered", err?: Error): void {
    if (this.#logged === event) return;
    this.#logged = event;
    if (!this.#options.hasOthers()) return;
    const level = event === "subchannel.lost" ? "warn" : "info";
    this.#options.logger[level]({ event, address: this.#address, err }, event);
  }
}
