import type { SessionState } from "./session.ts";

/** gRPC's keepalive for the sessions of one kind (https://grpc.io/docs/guides/keepalive/), in milliseconds. */
export interface KeepaliveTimes {
  /** The time without received bytes after which a session with calls under way is pinged. */
  readonly timeMs: number;
  /** The longest wait for the acknowledgement. */
  readonly timeoutMs: number;
}

/** The keepalive of unary calls, and of server streams, which are silent by nature. */
export interface KeepaliveOptions {
  readonly calls: KeepaliveTimes;
  readonly streams: KeepaliveTimes;
}

export const defaultKeepalive: KeepaliveOptions = {
  calls: { timeMs: 2000, timeoutMs: 2000 },
  streams: { timeMs: 30_000, timeoutMs: 2000 },
};

/** The times as they are now: `timeMs` changes with the number of servers. */
interface CurrentTimes extends KeepaliveTimes {
  /** The wait for an acknowledgement after which the server is suspected to be gone. */
  readonly suspicionMs: number;
  readonly pings: { readonly areRejected: boolean };
}

/** The session that is kept alive. */
interface KeepaliveSession {
  readonly state: SessionState;
  readonly bytesReceived: number;
  /** Whether no stream is open, so that silence is right. */
  isIdle(): boolean;
  ping(onAcknowledged: () => void): void;
  /** Sends SETTINGS, which have to be acknowledged too (RFC 9113 §6.5.3). */
  sendSettings(onAcknowledged: () => void): void;
  /** Makes the server send response headers. */
  requestHeaders(): void;
  /** It is idle; unless it is closed now, it is not watched until it is used. */
  onIdle(): void;
  /** The server has not acknowledged a ping for some time. */
  onSuspicion(reason: Error): void;
  /** The server is gone. */
  onTimeout(reason: Error): void;
  /** It is closed, and its socket still waits for the server. */
  closeSocket(): void;
}

/** How often received bytes are counted within a keepalive time. */
const checksPerKeepaliveTime = 4;

/**
 * How many pings are sent before response headers have to come. gRPC servers end a session at the fourth one that comes
 * before its time, 5 minutes by default, unless they have sent DATA or HEADERS since
 * (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).
 */
const maxPings = 2;

type KeepaliveState =
  /** Nothing is to be watched. */
  | "resting"
  /** Received bytes are counted from time to time. */
  | "watching"
  /** A ping, or SETTINGS in its place, is not acknowledged yet. */
  | "pinging";

/**
 * Finds out whether the server of a session is there, by the bytes that its socket receives: first the settings, within
 * twice the keepalive timeout; then anything, be it the acknowledgement of a ping.
 */
export class Keepalive {
  readonly #session: KeepaliveSession;
  readonly #times: CurrentTimes;
  #state: KeepaliveState = "watching";
  #timer: NodeJS.Timeout | undefined;
  #bytes = 0;
  #quietChecks = 0;
  /** Pings that the server may have received since it sent headers. */
  #pings = 0;
  #unacknowledgedPings = 0;

  constructor(times: CurrentTimes, session: KeepaliveSession) {
    this.#times = times;
    this.#session = session;
    const settingsMs = 2 * times.timeoutMs;
    this.#after(settingsMs, () =>
      session.onTimeout(new Error(`no HTTP/2 settings came within ${settingsMs} ms`)),
    );
  }

  /** Watches the session, which is not idle any more. */
  watch(): void {
    if (this.#state !== "resting") return;
    this.#state = "watching";
    this.#checkLater();
  }

  /** Whether nothing was received since a check that found the same. */
  get isQuiet(): boolean {
    return this.#quietChecks > 0 && this.#session.bytesReceived === this.#bytes;
  }

  /** The server's first settings have come. */
  settingsReceived(): void {
    this.#checkLater();
  }

  /** Response headers have come. A ping that is not acknowledged may have come to the server after it sent them. */
  headersReceived(): void {
    this.#pings = this.#unacknowledgedPings;
  }

  /** Pings the server now, however short the silence. */
  checkNow(): void {
    const { state, bytesReceived } = this.#session;
    // Until its settings come, it has a time of its own.
    if (state === "closed" || this.#state === "pinging" || bytesReceived === 0) return;
    this.#bytes = bytesReceived;
    this.#ping();
  }

  #check(): void {
    const { state, bytesReceived } = this.#session;
    if (state === "closed") return this.#session.closeSocket();
    const isQuiet = bytesReceived === this.#bytes;
    if (isQuiet && this.#state === "pinging") {
      const { timeoutMs } = this.#times;
      return this.#session.onTimeout(
        new Error(`the server did not acknowledge a ping within ${timeoutMs} ms`),
      );
    }
    this.#bytes = bytesReceived;
    this.#state = "watching";
    if (!isQuiet) this.#quietChecks = 0;
    if (this.#session.isIdle()) {
      // Silence so far counts with the next stream: nothing has broken it.
      this.#session.onIdle();
      const isOpen = this.#session.state === "connecting" || this.#session.state === "ready";
      return isOpen ? this.#rest() : this.#checkLater();
    }
    if (isQuiet) this.#quietChecks += 1;
    if (this.#quietChecks < checksPerKeepaliveTime) return this.#checkLater();
    this.#ping();
  }

  /** Sends a ping, or SETTINGS where another ping could be one too many, and after a GOAWAY, when Node sends no ping. */
  #ping(): void {
    const onAcknowledged = () => this.#checkLater();
    this.#state = "pinging";
    const mayPing = this.#pings < maxPings && !this.#times.pings.areRejected;
    if (mayPing && this.#session.state !== "draining") this.#sendPing(onAcknowledged);
    else this.#session.sendSettings(onAcknowledged);
    const { suspicionMs, timeoutMs } = this.#times;
    this.#after(suspicionMs, () => {
      const reason = new Error(`the server did not acknowledge a ping within ${suspicionMs} ms`);
      if (this.#session.bytesReceived === this.#bytes) this.#session.onSuspicion(reason);
      this.#after(timeoutMs - suspicionMs, () => this.#check());
    });
  }

  #sendPing(onAcknowledged: () => void): void {
    this.#pings += 1;
    this.#unacknowledgedPings += 1;
    this.#session.ping(() => {
      this.#unacknowledgedPings -= 1;
      onAcknowledged();
    });
    if (this.#pings >= maxPings) this.#session.requestHeaders();
  }

  #checkLater(): void {
    this.#after(this.#times.timeMs / checksPerKeepaliveTime, () => this.#check());
  }

  #after(ms: number, act: () => void): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(() => {
      // If this process itself was held up, what came meanwhile is read first.
      setImmediate(() => {
        if (this.#timer === timer) act();
      });
    }, ms);
    this.#timer = timer.unref();
  }

  #rest(): void {
    this.#state = "resting";
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
