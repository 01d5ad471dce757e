import type { Socket } from "node:net";
import { ByteSemaphore } from "./byte-semaphore.ts";

/** A connection on which bytes wait for their client. */
interface Backlog {
  /** How many wait. */
  bytes: number;
  /** How fast they went until the last look, in bytes per millisecond; undefined before the first one. */
  rate: number | undefined;
  /** How many have gone since then, and when it was. */
  gone: number;
  measuredAt: number;
  /** How much had been sent, left and received when something went last, and when that was. */
  sent: number;
  left: number;
  received: number;
  movedAt: number;
  /** Forgets the connection once it is closed, with all that it holds. */
  readonly onClose: () => void;
}

interface BufferedBytesOptions {
  /** Most bytes at the same time. */
  readonly limit: number;
  /** How long a client that sends may read nothing of what waits for it, in milliseconds. */
  readonly stallTimeoutMs: number;
  /** Hears of each client that is cut to make room. */
  readonly onSlowClientDisconnected?: () => void;
}

/** How long a rate is measured, and how long a client may read nothing, or a message wait, before clients are cut. */
const periodMs = 1000;

/** How often it is seen whether there is room while a message waits, in milliseconds. */
const waitingMs = 100;

/** What clients are cut down to where they hold more than the limit: not each byte more is to be a search. */
const cutShare = 7 / 8;

/**
 * All bytes that wait for clients, within one bound: the messages for them that are being received or written as JSON,
 * and what they have not read yet. Where that is too much, a message waits until there is room, and the slowest clients
 * are cut: those whose bytes would take longest at the rate at which they read.
 */
export class BufferedBytes {
  /** Memory for messages. */
  readonly memory: ByteSemaphore;
  readonly #stallTimeoutMs: number;
  readonly #onCut: () => void;
  readonly #backlogs = new Map<Socket, Backlog>();
  #timer: NodeJS.Timeout | undefined;

  constructor({
    limit,
    stallTimeoutMs,
    onSlowClientDisconnected: onCut = () => undefined,
  }: BufferedBytesOptions) {
    this.memory = new ByteSemaphore(limit);
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#onCut = onCut;
  }

  /** Acquires memory for a message, if it is there now. */
  tryAcquire(bytes: number): ReturnType<ByteSemaphore["tryAcquire"]> {
    return this.memory.tryAcquire(bytes);
  }

  /** Acquires memory for a message, as `ByteSemaphore.acquire` does. */
  acquire(...args: Parameters<ByteSemaphore["acquire"]>): ReturnType<ByteSemaphore["acquire"]> {
    this.#timer ??= setInterval(() => this.#relieve(performance.now()), waitingMs).unref();
    return this.memory.acquire(...args);
  }

  /** Notes what waits on a connection, after something was sent on it. */
  track(socket: Socket, now = performance.now()): void {
    this.#look(socket, now);
    if (this.memory.used <= this.memory.limit) return;
    this.#lookAtAll(now);
    if (this.memory.used > this.memory.limit) this.#cutTo(cutShare * this.memory.limit, now, 0);
  }

  /**
   * Looks at all connections, once a second. Cuts those whose clients send, but read nothing of what waits for them:
   * Node's own timer starts anew with every byte that comes, and so never ends for them.
   */
  disconnectStalled(sockets: Iterable<Socket>, now = performance.now()): void {
    this.#lookAtAll(now);
    for (const socket of sockets) {
      const backlog = this.#backlogs.get(socket) ?? this.#look(socket, now);
      if (backlog === undefined || now - backlog.movedAt < this.#stallTimeoutMs) continue;
      if (socket.bytesRead > backlog.received) this.#destroy(socket);
    }
  }

  /** Makes room for the message whose turn it is. */
  #relieve(now: number): void {
    this.#lookAtAll(now);
    const { firstWaiter: first, limit } = this.memory;
    if (first === undefined) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else this.#cutTo(limit - first.bytes, now, now - first.since < periodMs ? periodMs : 0);
  }

  /** Cuts the slowest of the clients that have read nothing for `stalledMs`, until no more than `bytes` are in use. */
  #cutTo(bytes: number, now: number, stalledMs: number): void {
    const slowestFirst = [...this.#backlogs]
      .filter(([, { movedAt }]) => now - movedAt >= stalledMs)
      .sort(([, a], [, b]) => timeLeft(b) - timeLeft(a) || b.bytes - a.bytes);
    for (const [socket] of slowestFirst) {
      if (this.memory.used <= bytes) return;
      this.#destroy(socket);
      this.#onCut();
    }
  }

  #destroy(socket: Socket): void {
    socket.destroy();
    this.#forget(socket);
  }

  #forget(socket: Socket): void {
    const backlog = this.#backlogs.get(socket);
    if (backlog === undefined) return;
    this.#backlogs.delete(socket);
    socket.off("close", backlog.onClose);
    this.memory.use(-backlog.bytes);
  }

  #lookAtAll(now: number): void {
    for (const socket of [...this.#backlogs.keys()]) this.#look(socket, now);
  }

  /** Measures what waits on a connection; undefined where nothing does. */
  #look(socket: Socket, now: number): Backlog | undefined {
    const bytes = socket.destroyed ? 0 : socket.writableLength;
    if (bytes === 0) {
      this.#forget(socket);
      return undefined;
    }
    const sent = socket.bytesWritten - bytes;
    const left = leftOfWrite(socket);
    const known = this.#backlogs.get(socket);
    if (known === undefined) {
      const received = socket.bytesRead;
      const backlog = {
        bytes,
        rate: undefined,
        gone: 0,
        measuredAt: now,
        sent,
        left,
        received,
        movedAt: now,
        onClose: () => this.#forget(socket),
      };
      this.#backlogs.set(socket, backlog);
      socket.once("close", backlog.onClose);
      this.memory.use(bytes);
      return backlog;
    }
    if (known.sent !== sent || known.left !== left) {
      known.gone += Math.max(0, sent - known.sent, known.left - left);
      Object.assign(known, { sent, left, received: socket.bytesRead, movedAt: now });
    }
    if (now - known.measuredAt >= periodMs) {
      known.rate = known.gone / (now - known.measuredAt);
      Object.assign(known, { gone: 0, measuredAt: now });
    }
    this.memory.use(bytes - known.bytes);
    known.bytes = bytes;
    return known;
  }
}

/** How long a client would take to read what waits for it, in milliseconds. One that is not measured yet is fast. */
function timeLeft({ bytes, rate }: Backlog): number {
  return rate === undefined ? 0 : bytes / Math.max(rate, 1e-9);
}

/**
 * How much of the write under way the kernel has not taken yet. Node counts a write only when all of it is done, and
 * looks at this itself where it waits for one; its types do not know of it.
 */
function leftOfWrite(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly writeQueueSize?: number } };
  return handle?.writeQueueSize ?? 0;
}
