import type { ClientHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** gRPC's keepalive for the connections of one kind (https://grpc.io/docs/guides/keepalive/), in milliseconds. */
export interface KeepaliveTimes {
  /** The time without received bytes after which a connection with calls under way is pinged. */
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
  /** The wait for an answer after which the peer is suspected. */
  readonly suspicionMs: number;
  readonly pings: { readonly areRefused: boolean };
}

/** What is told to the owner of a session, and asked. */
interface LivenessOwner {
  /** Whether nothing is under way, so that silence is right. */
  isIdle(): boolean;
  /** It is idle; a session that is not closed now is left at rest. */
  whenIdle(): void;
  /** As many pings as servers allow have been sent since response headers came: some should come. */
  requestHeaders(): void;
  /** The peer keeps a ping waiting. */
  isSuspect(reason: Error): void;
  /** Nobody is there any more. */
  isDead(reason: Error): void;
}

/** How often a silence is looked at until it is long enough for a ping. */
export const looksPerSilence = 4;

/**
 * How many pings are sent before response headers have to come. gRPC servers end a session at the fourth one that comes
 * before its time, 5 minutes by default, unless they have sent DATA or HEADERS since
 * (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).
 */
const maxPings = 2;

/**
 * Finds out whether the peer of a session is there, by what its socket receives: first the settings, within
 * twice the time of a ping; then anything, be it the answer to a ping. It has one timer, and none while the
 * session is at rest.
 */
export class Keepalive {
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #times: CurrentTimes;
  readonly #owner: LivenessOwner;
  #timer: NodeJS.Timeout | undefined;
  #bytes = 0;
  #quietLooks = 0;
  #isAsked = false;
  /** Those that the server may have received since it sent headers. */
  #pings = 0;
  #unacknowledgedPings = 0;

  constructor(session: ClientHttp2Session, socket: Socket, times: CurrentTimes, owner: LivenessOwner) {
    this.#session = session;
    this.#socket = socket;
    this.#times = times;
    this.#owner = owner;
    const settingsMs = 2 * times.timeoutMs;
    this.#after(settingsMs, () => owner.isDead(new Error(`no HTTP/2 settings came within ${settingsMs} ms`)));
    session.once("remoteSettings", () => this.#lookLater());
    session.once("goaway", () => this.watch());
  }

  /** Watches the session, which is not idle any more. */
  watch(): void {
    if (this.#timer === undefined) this.#lookLater();
  }

  /** Whether nothing has come since a look, which was long enough ago to find it so. */
  get isQuiet(): boolean {
    return this.#quietLooks > 0 && this.#socket.bytesRead === this.#bytes;
  }

  /** Response headers have come. A ping that is not acknowledged may have come to the server after it sent them. */
  headersCame(): void {
    this.#pings = this.#unacknowledgedPings;
  }

  /** Asks the peer now, however short the silence. */
  check(): void {
    // Before its settings it has a time of its own.
    if (this.#session.destroyed || this.#isAsked || this.#socket.bytesRead === 0) return;
    this.#bytes = this.#socket.bytesRead;
    this.#ask();
  }

  #look(): void {
    // What is left of it waits for the peer to close its side too.
    if (this.#session.destroyed) return void this.#socket.destroy();
    const { bytesRead } = this.#socket;
    const isQuiet = bytesRead === this.#bytes;
    const { timeoutMs } = this.#times;
    if (isQuiet && this.#isAsked) {
      return this.#owner.isDead(new Error(`the server did not answer a ping within ${timeoutMs} ms`));
    }
    this.#bytes = bytesRead;
    this.#isAsked = false;
    if (!isQuiet) this.#quietLooks = 0;
    if (this.#owner.isIdle()) {
      // Silence that came before counts on with the next stream: nobody has broken it.
      this.#owner.whenIdle();
      return this.#session.closed ? this.#lookLater() : this.#rest();
    }
    if (isQuiet) this.#quietLooks += 1;
    if (this.#quietLooks < looksPerSilence) return this.#lookLater();
    this.#ask();
  }

  /**
   * Has the peer answer: a ping, or settings, which have to be acknowledged too (RFC 9113 §6.5.3). Those go where
   * another ping could be one too many, and after a GOAWAY, when Node sends no ping.
   */
  #ask(): void {
    const onAnswer = (error: Error | null) => {
      if (error === null) this.#lookLater();
    };
    this.#isAsked = true;
    const mayPing = this.#pings < maxPings && !this.#times.pings.areRefused;
    if (mayPing && !this.#session.closed) this.#ping(onAnswer);
    else this.#session.settings({}, onAnswer);
    const { suspicionMs, timeoutMs } = this.#times;
    this.#after(suspicionMs, () => {
      const reason = new Error(`the server did not answer a ping within ${suspicionMs} ms`);
      if (this.#socket.bytesRead === this.#bytes) this.#owner.isSuspect(reason);
      this.#after(timeoutMs - suspicionMs, () => this.#look());
    });
  }

  #ping(onAnswer: (error: Error | null) => void): void {
    this.#pings += 1;
    this.#unacknowledgedPings += 1;
    this.#session.ping((error) => {
      this.#unacknowledgedPings -= 1;
      onAnswer(error);
    });
    if (this.#pings >= maxPings) this.#owner.requestHeaders();
  }

  #lookLater(): void {
    this.#after(this.#times.timeMs / looksPerSilence, () => this.#look());
  }

  #after(ms: number, act: () => void): void {
    this.#rest();
    const timer = setTimeout(() => {
      // Where this process itself was held up, what came meanwhile is read first.
      setImmediate(() => {
        if (this.#timer === timer) act();
      });
    }, ms);
    this.#timer = timer.unref();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
