import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { readAnswer } from "./answer-reader.ts";
import type { Answer } from "./answer-reader.ts";
import { bytesOf } from "./wire.ts";
import type { WireRequest } from "./wire.ts";

/** Longest time that nothing may move on a connection with a request, in milliseconds. */
const patienceMs = 60_000;

/**
 * A client that sends requests exactly as they are written, one after another over one connection, and opens
 * another one where the answer was the last.
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

  /** The answer to a request; rejects where there is none, or none that HTTP allows. */
  async send(request: WireRequest): Promise<Answer> {
    const kept = this.#connection;
    if (kept?.isOpen === true) {
      // A server may close a connection between two requests; what was sent meanwhile it has not seen.
      const answer = await this.#exchange(kept, request).catch((error: unknown) => {
        if (error instanceof ClosedUnanswered) return undefined;
        throw error;
      });
      if (answer !== undefined) return answer;
    }
    const socket = connect(this.#port, this.#host);
    await once(socket, "connect");
    this.#connection = new Connection(socket);
    return this.#exchange(this.#connection, request);
  }

  close(): void {
    this.#connection?.close();
  }

  async #exchange(connection: Connection, request: WireRequest): Promise<Answer> {
    try {
      const answer = await connection.exchange(request);
      if (answer.isLast) connection.close();
      return answer;
    } catch (error) {
      connection.close();
      throw error;
    }
  }
}

/** The connection was closed without a byte of an answer. */
class ClosedUnanswered extends Error {}

class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  /** Begins with what was received, and has room for more: a copy for each chunk would take long for a large response. */
  #room: Buffer = Buffer.alloc(0);
  #settle: () => void = () => undefined;
  #problem: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setTimeout(patienceMs);
    socket
      .on("data", (chunk) => {
        this.#append(chunk);
        this.#settle();
      })
      .on("timeout", () => socket.destroy(new Error(`no answer within ${patienceMs / 1000} seconds`)))
      .on("error", (error) => (this.#problem = error))
      .on("end", () => this.#settle())
      .on("close", () => this.#settle());
  }

  get isOpen(): boolean {
    return this.#socket.readable && this.#socket.writable;
  }

  exchange(request: WireRequest): Promise<Answer> {
    if (this.#received.length > 0) throw new Error("the server has sent more than it was asked for");
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#settle = () => {
      try {
        const answer = this.#take(request.method);
        if (answer !== undefined) resolve(answer);
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
    if (length > this.#room.length) this.#room = Buffer.concat([this.#received], 2 * length);
    chunk.copy(this.#room, this.#received.length);
    this.#received = this.#room.subarray(0, length);
  }

  #take(method: string): Answer | undefined {
    const isOver = this.#socket.destroyed || this.#socket.readableEnded;
    if (isOver && this.#received.length === 0) {
      throw this.#problem === undefined || "code" in this.#problem
        ? new ClosedUnanswered(
            `the connection was closed without an answer (${this.#problem?.message ?? "end"})`,
          )
        : this.#problem;
    }
    const read = readAnswer(this.#received, method, isOver);
    if (read === undefined) return undefined;
    this.#received = read.rest;
    this.#room = read.rest;
    // What is refused before its method is known to be HEAD is answered as if it were none.
    const mayHaveBody = method === "HEAD" && read.answer.isLast;
    if (read.rest.length > 0 && !mayHaveBody) throw new Error("there are bytes after the answer");
    return read.answer;
  }
}
