import type { Socket } from "node:net";

/** Since when what waits on a connection has not moved, and how much had been sent and received by then. */
interface Wait {
  readonly since: number;
  readonly sent: number;
  readonly received: number;
}

/**
 * Finds clients that send, but read nothing of what waits for them: Node's own timer starts anew with every byte
 * that comes, and so never ends for them.
 */
export class StallWatch {
  readonly #patienceMs: number;
  readonly #waits = new WeakMap<Socket, Wait>();

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** Cuts those of `sockets` that are found. */
  check(sockets: Iterable<Socket>, now = performance.now()): void {
    for (const socket of sockets) this.#look(socket, now);
  }

  #look(socket: Socket, now: number): void {
    if (socket.writableLength === 0) return void this.#waits.delete(socket);
    const sent = socket.bytesWritten - socket.writableLength;
    const wait = this.#waits.get(socket);
    if (wait?.sent !== sent) this.#waits.set(socket, { since: now, sent, received: socket.bytesRead });
    else if (now - wait.since >= this.#patienceMs && socket.bytesRead > wait.received) socket.destroy();
  }
}
