import { Code, ConnectError } from "@connectrpc/connect";
import type { Target } from "./address.ts";
import { defaultKeepalive } from "./keepalive.ts";
import type { KeepaliveTimes } from "./keepalive.ts";
import { NodeSession } from "./node-session.ts";
import type { SessionContext } from "./node-session.ts";
import type {
  PingState,
  RequestStream,
  ServerWatch,
  StreamListener,
  StreamOpener,
  StreamRequest,
} from "./session.ts";

interface SessionPoolOptions {
  readonly keepalive?: KeepaliveTimes;
  /** How many bytes of each stream the server may send ahead (RFC 9113 §6.9.2). */
  readonly streamWindowBytes?: number;
  /** What is known of the pings to the server, if other pools share it. */
  readonly pings?: PingState;
  readonly watch?: ServerWatch;
  /** A session has 2^30 stream ids (RFC 9113 §5.1.1); Node would refuse every stream after the last one. */
  readonly streamsPerSession?: number;
}

/** For a server without others. */
const unwatched: ServerWatch = {
  onConnected: () => undefined,
  onLost: () => undefined,
  onGoaway: () => undefined,
  onKeepaliveRejected: () => undefined,
  hasOthers: () => false,
  hasReadyOther: () => false,
};

/** By what factor a server is suspected sooner if another one can be called instead. */
const suspicionFactor = 4;

/** How many streams at a time servers should allow at least (RFC 9113 §6.5.2). */
const recommendedLimit = 100;

/**
 * As many sessions with one server as its limit of streams at a time requires: a stream is opened on the oldest session
 * that has room, and on a new one if none has. A session takes no more streams once it is lost, has received GOAWAY or
 * runs out of stream ids, and none while it is suspect. A session without streams is closed if another has room. A session
 * whose streams are refused is replaced.
 */
export class SessionPool implements StreamOpener {
  readonly maxAttempts = 2;
  readonly #context: SessionContext;
  #state: "open" | "closed" = "open";

  constructor(
    target: Target,
    {
      keepalive: { timeMs, timeoutMs } = defaultKeepalive.calls,
      streamsPerSession = 2 ** 29,
      streamWindowBytes = 64 * 1024,
      watch = unwatched,
      pings = { areRejected: false },
    }: SessionPoolOptions = {},
  ) {
    this.#context = {
      target,
      watch,
      sessions: new Set(),
      streamsPerSession,
      streamWindowBytes,
      assumedLimit: recommendedLimit,
      get timeMs() {
        return timeMs / (watch.hasOthers() ? suspicionFactor : 1);
      },
      timeoutMs,
      suspicionMs: timeoutMs / (2 * suspicionFactor),
      pings,
    };
  }

  /** Whether a session keeps calls waiting and has received nothing for a while. */
  get isQuiet(): boolean {
    for (const session of this.#context.sessions) if (session.isQuiet) return true;
    return false;
  }

  /** Whether a session suspects that the server is gone. */
  get isSuspect(): boolean {
    for (const session of this.#context.sessions) if (session.isSuspect) return true;
    return false;
  }

  /** How many sessions there are. */
  get size(): number {
    return this.#context.sessions.size;
  }

  open(request: StreamRequest, listener: StreamListener, isOnOwnSession = false): RequestStream {
    if (this.#state === "closed") throw new ConnectError("the session pool is closed", Code.Unavailable);
    if (isOnOwnSession) return new NodeSession(this.#context, true).open(request, listener);
    for (const session of this.#context.sessions) if (session.hasRoom) return session.open(request, listener);
    return new NodeSession(this.#context).open(request, listener);
  }

  /** Begins a session, to find out whether the server is there. */
  connect(): void {
    if (this.#state === "open") new NodeSession(this.#context);
  }

  /** Finds out now whether the server is there, if there are sessions. */
  check(): void {
    for (const session of this.#context.sessions) session.check();
  }

  /** Lets the calls that wait for a session be retried on another server, if there is one. */
  releaseWaiting(): void {
    for (const session of this.#context.sessions) session.releaseWaiting();
  }

  /** Ends each session with its last stream; new streams are opened on new sessions. */
  drain(): void {
    for (const session of this.#context.sessions) session.drain();
  }

  /** Ends every session and every stream at once. */
  close(): void {
    this.#state = "closed";
    for (const session of this.#context.sessions) session.close();
  }
}
