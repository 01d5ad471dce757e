import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { bytesOf } from "./wire.ts";
import type { WireRequest } from "./wire.ts";

/** How a client leaves, before it has a whole response. */
export type Leaving =
  | { readonly when: "it has sent a part"; readonly share: number }
  | { readonly when: "the response begins" }
  /** It stays, and reads nothing more. */
  | { readonly when: "others have come" };

/** Most clients that read nothing and are still there. */
const maxHeld = 8;

/** Longest time until a response begins, in milliseconds. */
const patienceMs = 60_000;

/** Clients that do not read what they have asked for. */
export class LeavingClients {
  readonly #port: number;
  readonly #host: string;
  readonly #held: Socket[] = [];

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Sends a request, over a connection of its own; rejects when a response that is waited for does not begin. */
  async send(request: WireRequest, leaving: Leaving): Promise<void> {
    const bytes = bytesOf(request);
    const socket = connect(this.#port, this.#host);
    // What becomes of the connection is the server's to say.
    socket.on("error", () => undefined);
    await once(socket, "connect");
    if (leaving.when === "it has sent a part") {
      const part = bytes.subarray(0, Math.floor(bytes.length * leaving.share));
      await new Promise((resolve) => socket.write(part, resolve));
      socket.destroy();
      return;
    }
    socket.write(bytes);
    await begin(socket);
    if (leaving.when === "the response begins") socket.destroy();
    else this.#hold(socket.pause());
  }

  /** Ends the connections of all who are still there. */
  close(): void {
    for (const socket of this.#held.splice(0)) socket.destroy();
  }

  #hold(socket: Socket): void {
    this.#held.push(socket);
    if (this.#held.length > maxHeld) this.#held.shift()?.destroy();
  }
}

/** Resolves when something comes, or the connection ends. */
function begin(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no response within ${patienceMs / 1000} seconds`));
    const timer = setTimeout(late, patienceMs);
    const settle = () => {
      clearTimeout(timer);
      resolve();
    };
    socket.once("data", settle).once("close", settle);
  });
}
