import type { ConnectionState } from "./http2/index.ts";
import type { PingState } from "./session.ts";

/** gRPC's keepalive for the sessions of one kind (https://grpc.io/docs/guides/keepalive/), in milliseconds. */
export interface KeepaliveTimes {
  /** A session with open streams is pinged when nothing was received for this time. */
  readonly timeMs: number;
  /** The session is closed if nothing is received within this time after the ping. */
  readonly timeoutMs: number;
}

/** The keepalive of unary calls and that of server streams, which may be idle for long. */
export interface KeepaliveOptions {
  readonly calls: KeepaliveTimes;
  readonly streams: KeepaliveTimes;
}

export const defaultKeepalive: KeepaliveOptions = {
  calls: { timeMs: 2000, timeoutMs: 2000 },
  streams: { timeMs: 30_000, timeoutMs: 2000 },
};

/** The current times: `timeMs` depends on the number of servers. */
interface CurrentTimes extends KeepaliveTimes {
  /** The session is unresponsive if nothing is received within this time after a ping, in milliseconds. */
  readonly unresponsiveAfterMs: number;
  readonly pings: Readonly<PingState>;
}

/** The connection that is kept alive. */
interface KeptConnection {
  readonly state: ConnectionState;
  readonly bytesReceived: number;
  ping(onAcknowledged: () => void): void;
  /** Sends SETTINGS, which the server must acknowledge too (RFC 9113 §6.5.3). */
  sendSettings(onAcknowledged: () => void): void;
}

/** The session of the connection. */
interface KeepaliveListener {
  /** Whether no stream is open, so that nothing has to be received. */
  isIdle(): boolean;
  /** Makes the server send response headers. */
  requestHeaders(): void;
  /** The session is idle. Unless it is closed now, keepalive is paused until `resume`. */
  onIdle(): void;
  /** Nothing was received for `unresponsiveAfterMs` after a ping. */
  onUnresponsive(reason: Error): void;
  /** Nothing was received within the keepalive timeout. */
  onTimeout(reason: Error): void;
}

/** How many times received bytes are counted within the keepalive time. */
const checksPerKeepaliveTime = 4;

/**
 * How many pings are sent until response headers are received. gRPC servers count pings that are less than 5 minutes (the
 * default) apart, and send GOAWAY at the third of these. They reset the count when they send DATA or HEADERS
 * (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).
 */
const maxPings = 2;

type KeepaliveState =
  /** No stream is open. */
  | "paused"
  /** Received bytes are counted at intervals. */
  | "counting"
  /** A ping, or SETTINGS instead of a ping, is not acknowledged yet. */
  | "pinging";

/**
 * Detects that the server of a session does not respond, by the bytes that the socket receives. The server's settings
 * must be received within twice the keepalive timeout. After that any bytes count, such as the acknowledgement of a ping.
 */
export class Keepalive {
  readonly #connection: KeptConnection;
  readonly #listener: KeepaliveListener;
  readonly #times: CurrentTimes;
  #state: KeepaliveState = "counting";
  #timer: NodeJS.Timeout | undefined;
  #bytes = 0;
  #checksWithoutBytes = 0;
  /** Pings that the server may have received since it last sent headers. */
  #pings = 0;
  #unacknowledgedPings = 0;

  constructor(times: CurrentTimes, connection: KeptConnection, listener: KeepaliveListener) {
    this.#times = times;
    this.#connection = connection;
    this.#listener = listener;
    const settingsMs = 2 * times.timeoutMs;
    this.#after(settingsMs, () =>
      listener.onTimeout(new Error(`no HTTP/2 settings were received within ${settingsMs} ms`)),
    );
  }

  /** The session is no longer idle. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "counting";
    this.#scheduleCheck();
  }

  /** Whether nothing was received between the last two checks and since. */
  get isStalled(): boolean {
    return this.#checksWithoutBytes > 0 && this.#connection.bytesReceived === this.#bytes;
  }

  /** The server's first settings were received. */
  settingsReceived(): void {
    this.#scheduleCheck();
  }

  /** Response headers were received. The server may have received an unacknowledged ping after it sent them. */
  headersReceived(): void {
    this.#pings = this.#unacknowledgedPings;
  }

  /** Pings the server now, even if the keepalive time has not passed. */
  pingNow(): void {
    const { state, bytesReceived } = this.#connection;
    // Until the settings are received, their own timer runs.
    if (state === "closed" || this.#state === "pinging" || bytesReceived === 0) return;
    this.#bytes = bytesReceived;
    this.#ping();
  }

  #check(): void {
    const { state, bytesReceived } = this.#connection;
    if (state === "closed") return;
    const hasNoNewBytes = bytesReceived === this.#bytes;
    if (hasNoNewBytes && this.#state === "pinging") {
      const { timeoutMs } = this.#times;
      return this.#listener.onTimeout(
        new Error(`the server did not acknowledge a ping within ${timeoutMs} ms`),
      );
    }
    this.#bytes = bytesReceived;
    this.#state = "counting";
    if (!hasNoNewBytes) this.#checksWithoutBytes = 0;
    if (this.#listener.isIdle()) {
      // `#checksWithoutBytes` is not reset: nothing was received, so that the next stream continues the count.
      this.#listener.onIdle();
      const isOpen = this.#connection.state === "connecting" || this.#connection.state === "ready";
      return isOpen ? this.#pause() : this.#scheduleCheck();
    }
    if (hasNoNewBytes) this.#checksWithoutBytes += 1;
    if (this.#checksWithoutBytes < checksPerKeepaliveTime) return this.#scheduleCheck();
    this.#ping();
  }

  /** Sends a ping; SETTINGS if another ping could be one too many. */
  #ping(): void {
    const onAcknowledged = () => this.#scheduleCheck();
    this.#state = "pinging";
    const mayPing = this.#pings < maxPings && !this.#times.pings.areRejected;
    if (mayPing) this.#sendPing(onAcknowledged);
    else this.#connection.sendSettings(onAcknowledged);
    const { unresponsiveAfterMs, timeoutMs } = this.#times;
    this.#after(unresponsiveAfterMs, () => {
      const reason = new Error(`the server did not acknowledge a ping within ${unresponsiveAfterMs} ms`);
      if (this.#connection.bytesReceived === this.#bytes) this.#listener.onUnresponsive(reason);
      this.#after(timeoutMs - unresponsiveAfterMs, () => this.#check());
    });
  }

  #sendPing(onAcknowledged: () => void): void {
    this.#pings += 1;
    this.#unacknowledgedPings += 1;
    this.#connection.ping(() => {
      this.#unacknowledgedPings -= 1;
      onAcknowledged();
    });
    if (this.#pings >= maxPings) this.#listener.requestHeaders();
  }

  #scheduleCheck(): void {
    this.#after(this.#times.timeMs / checksPerKeepaliveTime, () => this.#check());
  }

  #after(ms: number, act: () => void): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(() => {
      // If the event loop was blocked, bytes that have arrived meanwhile are read first.
      setImmediate(() => {
        if (this.#timer === timer) act();
      });
    }, ms);
    this.#timer = timer.unref();
  }

  #pause(): void {
    this.#state = "paused";
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
