import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { bytesOf } from "./wire-request.ts";
import type { WireRequest } from "./wire-request.ts";

/** When a client stops reading, before it has received the complete response. */
export type Disconnect =
  | { readonly when: "sending"; readonly fraction: number }
  | { readonly when: "receiving" }
  /** Keeps the connection open without reading. */
  | { readonly when: "never" };

/** Most clients that keep a connection open without reading. */
const maxIdle = 8;

/** Longest time until the first byte of a response, in milliseconds. */
const timeoutMs = 60_000;

/** Clients that disconnect early or do not read their responses. */
export class DisconnectingClients {
  readonly #port: number;
  readonly #host: string;
  readonly #idle: Socket[] = [];

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Sends a request over a connection of its own. Rejects if an awaited response does not begin. */
  async send(request: WireRequest, disconnect: Disconnect): Promise<void> {
    const bytes = bytesOf(request);
    const socket = connect(this.#port, this.#host);
    // The server may close the connection at any time.
    socket.on("error", () => undefined);
    await once(socket, "connect");
    if (disconnect.when === "sending") {
      const part = bytes.subarray(0, Math.floor(bytes.length * disconnect.fraction));
      await new Promise((resolve) => socket.write(part, resolve));
      socket.destroy();
      return;
    }
    socket.write(bytes);
    await responseStart(socket);
    if (disconnect.when === "receiving") socket.destroy();
    else this.#keepOpen(socket.pause());
  }

  /** Closes the connections that are still open. */
  close(): void {
    for (const socket of this.#idle.splice(0)) socket.destroy();
  }

  #keepOpen(socket: Socket): void {
    this.#idle.push(socket);
    if (this.#idle.length > maxIdle) this.#idle.shift()?.destroy();
  }
}

/** Resolves with the first byte, or when the connection closes. */
function responseStart(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const onTimeout = () => reject(new Error(`no response within ${timeoutMs / 1000} seconds`));
    const timer = setTimeout(onTimeout, timeoutMs);
    const settle = () => {
      clearTimeout(timer);
      resolve();
    };
    socket.once("data", settle).once("close", settle);
  });
}
