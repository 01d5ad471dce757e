import { Code, ConnectError } from "@connectrpc/connect";
import type { ResolvedAddress } from "./address.ts";
import type { KeepaliveTimes } from "./keepalive.ts";
import { Connection } from "./http2/index.ts";
import type { RequestStream, StreamListener, StreamRequest } from "./http2/index.ts";
import { Session } from "./session.ts";
import type { CreateConnection, PingState, SessionContext, SessionListener } from "./session.ts";

export interface SessionPoolOptions {
  readonly keepalive: KeepaliveTimes;
  /** The `user-agent` of every call; none by default. */
  readonly userAgent?: string | undefined;
  /** The flow-control window of each stream, in bytes (RFC 9113 §6.9.2). */
  readonly streamWindowBytes: number;
  /** The ping state of the server, shared with its other pool. */
  readonly pings: PingState;
  readonly listener: SessionListener;
  /** Creates the connections; those of `http2/` by default. */
  readonly createConnection?: CreateConnection | undefined;
  /**
   * How many streams a session carries before it is replaced. A session has 2^30 stream ids (RFC 9113 §5.1.1); the
   * default is half of them.
   */
  readonly streamsPerSession?: number;
}

/** If there are other servers, the keepalive time is divided by this: calls can move to another server early. */
const keepaliveTimeDivisor = 4;

/** A session is unresponsive after this part of the keepalive timeout. That costs little: only its calls are moved. */
const unresponsiveShare = 1 / 8;

/** The minimum that RFC 9113 §6.5.2 recommends for SETTINGS_MAX_CONCURRENT_STREAMS. */
const recommendedLimit = 100;

/**
 * The sessions of one subchannel for unary calls, or those for server streams. Opens a stream on the oldest session that
 * has room, or on a new one.
 */
export class SessionPool {
  readonly #context: SessionContext;
  /** Oldest first. */
  readonly #sessions = new Set<Session>();
  #state: "open" | "closed" = "open";

  constructor(
    address: ResolvedAddress,
    {
      keepalive: { timeMs, timeoutMs },
      userAgent,
      streamsPerSession = 2 ** 29,
      streamWindowBytes,
      listener,
      pings,
      createConnection = (...args) => new Connection(...args),
    }: SessionPoolOptions,
  ) {
    this.#context = {
      address,
      userAgent,
      createConnection,
      listener,
      sessions: this.#sessions,
      onClosed: (session) => this.#sessions.delete(session),
      streamsPerSession,
      streamWindowBytes,
      assumedLimit: recommendedLimit,
      get timeMs() {
        return timeMs / (listener.hasOthers() ? keepaliveTimeDivisor : 1);
      },
      timeoutMs,
      unresponsiveAfterMs: timeoutMs * unresponsiveShare,
      pings,
    };
  }

  /** Whether a session has streams and has received nothing for part of the keepalive time. */
  get isStalled(): boolean {
    for (const session of this.#sessions) if (session.isStalled) return true;
    return false;
  }

  /** Whether a session is unresponsive. */
  get isUnresponsive(): boolean {
    for (const session of this.#sessions) if (session.isUnresponsive) return true;
    return false;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Opens a stream as `StreamOpener` does. */
  open(request: StreamRequest, listener: StreamListener, onDedicatedSession = false): RequestStream {
    if (this.#state === "closed") throw new ConnectError("the session pool is closed", Code.Unavailable);
    if (onDedicatedSession) return this.#createSession(true).open(request, listener);
    for (const session of this.#sessions) if (session.hasRoom) return session.open(request, listener);
    return this.#createSession().open(request, listener);
  }

  /** Starts a session before the first call. */
  connect(): void {
    if (this.#state === "open") this.#createSession();
  }

  /** Pings the server now, on each session. */
  pingNow(): void {
    for (const session of this.#sessions) session.pingNow();
  }

  /** If there are other servers, ends the streams that wait for a session as `not-sent`: their calls are retried there. */
  failWaitingStreams(): void {
    for (const session of this.#sessions) session.failWaitingStreams();
  }

  /** Closes each session after its last stream; new streams are opened on new sessions. */
  drain(): void {
    for (const session of this.#sessions) session.drain();
  }

  /** Closes every session and every stream at once. */
  close(): void {
    this.#state = "closed";
    for (const session of this.#sessions) session.close();
  }

  #createSession(isDedicated = false): Session {
    const session = new Session(this.#context, isDedicated);
    this.#sessions.add(session);
    return session;
  }
}
