import type { Socket } from "node:net";

/** Since when what waits on a connection has not moved, and how much had been sent, left and received by then. */
interface Wait {
  readonly since: number;
  readonly sent: number;
  readonly left: number;
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
    const left = leftOfWrite(socket);
    const wait = this.#waits.get(socket);
    if (wait?.sent !== sent || wait.left !== left) {
      this.#waits.set(socket, { since: now, sent, left, received: socket.bytesRead });
    } else if (now - wait.since >= this.#patienceMs && socket.bytesRead > wait.received) socket.destroy();
  }
}

/**
 * How much of the write under way the kernel has not taken yet. Node counts a write only when all of it is done, and
 * looks at this itself where it waits for one; its types do not know of it.
 */
function leftOfWrite(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly writeQueueSize?: number } };
  return handle?.writeQueueSize ?? 0;
}
