import type { Logger } from "../telemetry/logger.ts";
import { hostAndPort } from "./address.ts";
import type { ResolvedAddress } from "./address.ts";
import type { KeepaliveOptions, KeepaliveTimes } from "./keepalive.ts";
import { SessionPool } from "./session-pool.ts";
import type { CreateConnection, SessionListener } from "./session.ts";

/**
 * The flow-control windows of each unary call and each server stream, in bytes. That of streams is small, since there may
 * be 10,000, and each holds what it has received while its message waits for memory.
 */
const windowBytes = { calls: 64 * 1024, streams: 16 * 1024 } as const;

/** gRPC's connectivity states (https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md). */
export type SubchannelState =
  /** No session is established. The next call connects; the state of a single subchannel stays `idle` meanwhile. */
  | "idle"
  /** A session is being established. */
  | "connecting"
  /** A session was established, and no loss was noticed since. */
  | "ready"
  /** The server is not reachable. The subchannel connects again after a backoff. */
  | "transient-failure"
  /** The subchannel is closed, or carries its last calls and gets no new ones. */
  | "shutdown";

/** The settings of a subchannel, the state of the others, and its callbacks. */
export interface SubchannelOptions {
  readonly keepalive: KeepaliveOptions;
  /** The `user-agent` of every call; none by default. */
  readonly userAgent?: string | undefined;
  readonly createConnection?: CreateConnection | undefined;
  readonly logger: Logger;
  /** Whether the channel has other subchannels. */
  readonly hasOthers: () => boolean;
  /** Whether another subchannel is ready and not unresponsive. */
  readonly hasReadyOther: (subchannel: Subchannel) => boolean;
  readonly onReady: () => void;
  /** Called when a session is lost, cannot be established, or receives GOAWAY. */
  readonly onLost: () => void;
  /** Called when the server sends GOAWAY because of too many pings. */
  readonly onKeepaliveRejected: () => void;
}

/** The backoff between two attempts to connect, in milliseconds. It doubles with each failure. */
const firstBackoffMs = 250;
const maxBackoffMs = 8000;

/** After it was ready for this time, a subchannel starts again with the first backoff, in milliseconds. */
const backoffResetMs = 1000;

/** One address: its session pools and its connectivity state. */
export class Subchannel {
  readonly calls: SessionPool;
  /** Server streams have separate sessions, since they may be idle for long and need another keepalive time. */
  readonly streams: SessionPool;
  readonly #address: string;
  readonly #options: SubchannelOptions;
  #state: SubchannelState = "idle";
  /** The last logged event; undefined if the subchannel was never lost. */
  #logged: "subchannel.lost" | "subchannel.recovered" | undefined;
  /** Failures in a row; being ready for less than `backoffResetMs` does not reset them. */
  #failures = 0;
  #readyAt = 0;
  #backoff: NodeJS.Timeout | undefined;

  constructor(address: ResolvedAddress, options: SubchannelOptions) {
    const { createConnection, userAgent } = options;
    const { calls, streams } = options.keepalive;
    const pings = { areRejected: false };
    this.#address = hostAndPort(address);
    this.#options = options;
    const listener: SessionListener = {
      onConnected: () => this.#transition("ready"),
      onLost: (reason) => {
        if (this.#state === "shutdown") return;
        this.#logOnce("subchannel.lost", reason);
        this.#lose();
        // The other sessions may be lost too without having noticed it yet.
        this.calls.pingNow();
        this.streams.pingNow();
      },
      // The server may accept connections again at once.
      onGoaway: () => this.#lose(),
      onKeepaliveRejected: () => {
        const event = "keepalive.rejected";
        options.logger.warn({ event, address: this.#address }, event);
        options.onKeepaliveRejected();
      },
      // A subchannel that is shut down leaves its calls to the others, even if there is only one.
      hasOthers: () => this.#state === "shutdown" || options.hasOthers(),
      hasReadyOther: () => options.hasReadyOther(this),
    };
    const poolOf = (keepalive: KeepaliveTimes, streamWindowBytes: number) =>
      new SessionPool(address, {
        keepalive,
        userAgent,
        streamWindowBytes,
        listener,
        pings,
        createConnection,
      });
    this.calls = poolOf(calls, windowBytes.calls);
    this.streams = poolOf(streams, windowBytes.streams);
  }

  get state(): SubchannelState {
    return this.#state;
  }

  /** Whether a session of unary calls is unresponsive. */
  get isUnresponsive(): boolean {
    return this.calls.isUnresponsive;
  }

  /** Whether a session of unary calls is stalled. */
  get isStalled(): boolean {
    return this.calls.isStalled;
  }

  /** The number of sessions. After a shutdown they are closed after their last streams. */
  get sessions(): number {
    return this.calls.size + this.streams.size;
  }

  /** Connects if the subchannel is idle. */
  connect(): void {
    if (this.#state === "idle") this.#transition("connecting");
  }

  /** Ends the streams that wait for a session as `not-sent`, so that their calls are retried on another subchannel. */
  failWaitingStreams(): void {
    this.calls.failWaitingStreams();
    this.streams.failWaitingStreams();
  }

  /** Closes each session after its last stream; new calls connect again. */
  drainSessions(): void {
    this.calls.drain();
    this.streams.drain();
    // The session that was connecting is drained too.
    if (this.#state === "connecting") this.#transition("connecting");
  }

  /** Takes no more calls, and closes each session after its last stream. */
  shutDown(): void {
    this.#transition("shutdown");
    this.failWaitingStreams();
    this.calls.drain();
    this.streams.drain();
  }

  /** Closes its sessions at once. */
  close(): void {
    this.#transition("shutdown");
    this.calls.close();
    this.streams.close();
  }

  /** `shutdown` is the last state. */
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
    // Another session has already reported the loss.
    if (this.#state !== "ready" && this.#state !== "connecting") return;
    if (this.#state === "ready" && performance.now() - this.#readyAt > backoffResetMs) this.#failures = 0;
    this.#failures += 1;
    if (this.#options.hasOthers()) this.#startBackoff();
    this.#transition(this.#backoff === undefined ? "idle" : "transient-failure");
  }

  #startBackoff(): void {
    const backoffMs = Math.min(firstBackoffMs * 2 ** (this.#failures - 2), maxBackoffMs);
    // Jitter: clients that have lost a server at the same time must not reconnect at the same time.
    const delayMs = this.#failures === 1 ? 0 : backoffMs * (0.8 + 0.4 * Math.random());
    this.#backoff ??= setTimeout(() => {
      this.#backoff = undefined;
      if (this.#state === "transient-failure") this.#transition("connecting");
    }, delayMs).unref();
  }

  /** Logs a loss and a recovery once each. With a single subchannel nothing is logged: every call fails then. */
  #logOnce(event: "subchannel.lost" | "subchannel.recovered", err?: Error): void {
    if (this.#logged === event || !this.#options.hasOthers()) return;
    this.#logged = event;
    const level = event === "subchannel.lost" ? "warn" : "info";
    this.#options.logger[level]({ event, address: this.#address, err }, event);
  }
}
