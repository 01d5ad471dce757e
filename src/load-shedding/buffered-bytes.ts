import type { Socket } from "node:net";
import type { MemoryLease, MessageMemory } from "../grpc/index.ts";
import { ByteSemaphore } from "./byte-semaphore.ts";

/** The write buffer of a connection, and how fast its client reads. */
interface Backlog {
  /** Bytes in the write buffer. */
  bytes: number;
  /** Bytes per millisecond in the last period; undefined during the first. */
  rate: number | undefined;
  /** Bytes that have left the buffer since `measuredAt`. */
  drained: number;
  measuredAt: number;
  /** The socket's counters at `progressAt`, when bytes last left the buffer. */
  sent: number;
  unsentOfWrite: number;
  received: number;
  progressAt: number;
  /** Removes the backlog when the connection closes. */
  readonly onClose: () => void;
}

interface BufferedBytesOptions {
  /** The maximum number of bytes at the same time. */
  readonly limit: number;
  /** How long a client that sends bytes may read none of its backlog, in milliseconds. */
  readonly stallTimeoutMs: number;
  /** Called for each client that is disconnected to make room. */
  readonly onSlowClientDisconnected?: () => void;
}

/**
 * The period of a rate, in milliseconds. A message that has waited for less disconnects only clients that have read
 * nothing for a period.
 */
const periodMs = 1000;

/** How often a waiting message checks for room, in milliseconds. */
const checkMs = 100;

/** Backlogs above the limit are reduced to this part of it, so that not every further byte leads to a search. */
const targetShare = 7 / 8;

/**
 * One limit for the bytes that are buffered for clients: messages from the orchestrator, until they have been written as
 * JSON, and write buffers that clients have not read yet. Above it, messages wait, and the slowest clients are
 * disconnected: those whose backlog would take longest at the rate at which they read.
 */
export class BufferedBytes implements MessageMemory {
  readonly memory: ByteSemaphore;
  readonly #stallTimeoutMs: number;
  readonly #onSlowClientDisconnected: () => void;
  readonly #backlogs = new Map<Socket, Backlog>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ limit, stallTimeoutMs, onSlowClientDisconnected = () => undefined }: BufferedBytesOptions) {
    this.memory = new ByteSemaphore(limit);
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#onSlowClientDisconnected = onSlowClientDisconnected;
  }

  tryAcquire(bytes: number): MemoryLease | undefined {
    return this.memory.tryAcquire(bytes);
  }

  /** Acquires memory for a message; makes room for it while it waits. */
  acquire(...args: Parameters<MessageMemory["acquire"]>): Promise<MemoryLease> {
    this.#timer ??= setInterval(() => this.#makeRoom(performance.now()), checkMs).unref();
    return this.memory.acquire(...args);
  }

  /** Counts the write buffer of a connection; to be called after a write. */
  track(socket: Socket, now = performance.now()): void {
    this.#measure(socket, now);
    if (this.memory.used <= this.memory.limit) return;
    this.#measureAll(now);
    if (this.memory.used > this.memory.limit) this.#reduceTo(targetShare * this.memory.limit, now, 0);
  }

  /**
   * Measures all connections; to be called once a second. Disconnects clients that send bytes but read none of their
   * backlog: each byte received restarts Node's own socket timeout, which therefore never fires for them.
   */
  disconnectStalled(sockets: Iterable<Socket>, now = performance.now()): void {
    this.#measureAll(now);
    for (const socket of sockets) {
      const backlog = this.#backlogs.get(socket) ?? this.#measure(socket, now);
      if (backlog === undefined || now - backlog.progressAt < this.#stallTimeoutMs) continue;
      if (socket.bytesRead > backlog.received) this.#disconnect(socket);
    }
  }

  /** Makes room for the first message that waits. */
  #makeRoom(now: number): void {
    this.#measureAll(now);
    const { firstWaiter: first, limit } = this.memory;
    if (first === undefined) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else this.#reduceTo(limit - first.bytes, now, now - first.since < periodMs ? periodMs : 0);
  }

  /**
   * Disconnects clients, slowest first, until at most `bytes` are in use; only clients that have read nothing for
   * `stalledMs`.
   */
  #reduceTo(bytes: number, now: number, stalledMs: number): void {
    const slowestFirst = [...this.#backlogs]
      .filter(([, { progressAt }]) => now - progressAt >= stalledMs)
      .sort(([, a], [, b]) => drainTime(b) - drainTime(a) || b.bytes - a.bytes);
    for (const [socket] of slowestFirst) {
      if (this.memory.used <= bytes) return;
      this.#disconnect(socket);
      this.#onSlowClientDisconnected();
    }
  }

  #disconnect(socket: Socket): void {
    socket.destroy();
    this.#remove(socket);
  }

  #remove(socket: Socket): void {
    const backlog = this.#backlogs.get(socket);
    if (backlog === undefined) return;
    this.#backlogs.delete(socket);
    socket.off("close", backlog.onClose);
    this.memory.use(-backlog.bytes);
  }

  #measureAll(now: number): void {
    for (const socket of [...this.#backlogs.keys()]) this.#measure(socket, now);
  }

  /** Updates the backlog of a connection; undefined when its write buffer is empty. */
  #measure(socket: Socket, now: number): Backlog | undefined {
    const bytes = socket.destroyed ? 0 : socket.writableLength;
    if (bytes === 0) {
      this.#remove(socket);
      return undefined;
    }
    const sent = socket.bytesWritten - bytes;
    const unsentOfWrite = unsentOfCurrentWrite(socket);
    const received = socket.bytesRead;
    const known = this.#backlogs.get(socket);
    if (known === undefined) {
      const backlog = {
        bytes,
        rate: undefined,
        drained: 0,
        measuredAt: now,
        sent,
        unsentOfWrite,
        received,
        progressAt: now,
        onClose: () => this.#remove(socket),
      };
      this.#backlogs.set(socket, backlog);
      socket.once("close", backlog.onClose);
      this.memory.use(bytes);
      return backlog;
    }
    if (known.sent !== sent || known.unsentOfWrite !== unsentOfWrite) {
      known.drained += Math.max(0, sent - known.sent, known.unsentOfWrite - unsentOfWrite);
      Object.assign(known, { sent, unsentOfWrite, received, progressAt: now });
    }
    if (now - known.measuredAt >= periodMs) {
      known.rate = known.drained / (now - known.measuredAt);
      Object.assign(known, { drained: 0, measuredAt: now });
    }
    this.memory.use(bytes - known.bytes);
    known.bytes = bytes;
    return known;
  }
}

/** How long a client would take to read its backlog, in milliseconds; 0 while its rate is unknown. */
function drainTime({ bytes, rate }: Backlog): number {
  return rate === undefined ? 0 : bytes / Math.max(rate, 1e-9);
}

/**
 * How many bytes of the current write the kernel has not accepted yet. Node counts a write only when all of it is done,
 * and reads this field itself while it waits; its types do not declare it.
 */
function unsentOfCurrentWrite(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly writeQueueSize?: number } };
  return handle?.writeQueueSize ?? 0;
}
