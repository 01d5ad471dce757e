import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { readResponse } from "./response-reader.ts";
import type { WireResponse } from "./response-reader.ts";
import { bytesOf } from "./wire-request.ts";
import type { WireRequest } from "./wire-request.ts";

/** Longest time without traffic on a connection with a request, in milliseconds. */
const timeoutMs = 60_000;

/**
 * A client that sends requests byte by byte as they are given, one after another over one connection. Opens another
 * connection after the last response of one.
 */
export class WireClient {
  readonly #port: number;
  readonly #host: string;
  #connection: Connection | undefined;

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Sends a request. Rejects without a response, and for a response that is not valid HTTP. */
  async send(request: WireRequest): Promise<WireResponse> {
    const current = this.#connection;
    if (current?.isOpen === true) {
      // The server may close a connection between two requests. It has not seen a request sent in the meantime.
      const response = await this.#exchange(current, request).catch((error: unknown) => {
        if (error instanceof ClosedWithoutResponse) return undefined;
        throw error;
      });
      if (response !== undefined) return response;
    }
    const socket = connect(this.#port, this.#host);
    await once(socket, "connect");
    this.#connection = new Connection(socket);
    return this.#exchange(this.#connection, request);
  }

  close(): void {
    this.#connection?.close();
  }

  async #exchange(connection: Connection, request: WireRequest): Promise<WireResponse> {
    try {
      const response = await connection.exchange(request);
      if (response.isLast) connection.close();
      return response;
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}

/** The connection was closed before the first byte of a response. */
class ClosedWithoutResponse extends Error {}

class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  /** The buffer behind `#received`, with free space: copying a large response for each chunk would take long. */
  #buffer: Buffer = Buffer.alloc(0);
  #settle: () => void = () => undefined;
  #problem: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setTimeout(timeoutMs);
    socket
      .on("data", (chunk) => {
        this.#append(chunk);
        this.#settle();
      })
      .on("timeout", () => socket.destroy(new Error(`no response within ${timeoutMs / 1000} seconds`)))
      .on("error", (error) => (this.#problem = error))
      .on("end", () => this.#settle())
      .on("close", () => this.#settle());
  }

  get isOpen(): boolean {
    return this.#socket.readable && this.#socket.writable;
  }

  exchange(request: WireRequest): Promise<WireResponse> {
    if (this.#received.length > 0) throw new Error("the server has sent bytes without a request");
    const { promise, resolve, reject } = Promise.withResolvers<WireResponse>();
    this.#settle = () => {
      try {
        const response = this.#take(request.method);
        if (response !== undefined) resolve(response);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    this.#socket.write(bytesOf(request));
    this.#settle();
    return promise.finally(() => (this.#settle = () => undefined));
  }

  close(): void {
    this.#socket.destroy();
  }

  #append(chunk: Buffer): void {
    const length = this.#received.length + chunk.length;
    if (length > this.#buffer.length) this.#buffer = Buffer.concat([this.#received], 2 * length);
    chunk.copy(this.#buffer, this.#received.length);
    this.#received = this.#buffer.subarray(0, length);
  }

  #take(method: string): WireResponse | undefined {
    const isOver = this.#socket.destroyed || this.#socket.readableEnded;
    if (isOver && this.#received.length === 0) {
      throw this.#problem === undefined || "code" in this.#problem
        ? new ClosedWithoutResponse(
            `the connection was closed without a response (${this.#problem?.message ?? "end"})`,
          )
        : this.#problem;
    }
    const read = readResponse(this.#received, method, isOver);
    if (read === undefined) return undefined;
    this.#received = read.rest;
    this.#buffer = read.rest;
    // A request that is rejected before its method is known gets a body even for HEAD.
    const mayHaveBody = method === "HEAD" && read.response.isLast;
    if (read.rest.length > 0 && !mayHaveBody) throw new Error("there are bytes after the response");
    return read.response;
  }
}
